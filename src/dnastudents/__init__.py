"""Small DNA language models: pretrained by three recipes, compared on one set of benchmarks.

After `import dnastudents`, transformers' Auto classes load its model folders. The students are
entered once transformers is imported, so that the command line need not wait for it.
"""

import sys

__version__ = "0.1.0"

# `python -m dnastudents` imports nothing before `__main__` has taken the working folder, whose
# random.py is not Python's, out of the path; `models.registry` enters the students there.
if sys.argv[:1] != ["-m"]:
    import wrapt

    wrapt.register_post_import_hook("dnastudents.models.auto:on_import", "transformers")
