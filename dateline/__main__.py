"""`python -m dateline` is `dateline`."""

from dateline.start import main

main()
