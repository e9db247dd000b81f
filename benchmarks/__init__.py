"""What is measured, beside whom; run by `make bench`."""
