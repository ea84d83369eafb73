"""Small DNA language models: pretrained by three recipes, compared on one set of benchmarks.

After `import dnastudents`, transformers' Auto classes load its model folders. The students are
entered once transformers is imported, so that the command line need not wait for it.
"""

import wrapt

__version__ = "0.1.0"

wrapt.register_post_import_hook("dnastudents.models.auto:on_import", "transformers")
