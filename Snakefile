# The workflow is workflow/Snakefile; this file lets tools find it from the root.
include: "workflow/Snakefile"
