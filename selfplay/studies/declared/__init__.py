"""The studies that ship, one file each: what is compared, how it is measured, what was predicted."""
