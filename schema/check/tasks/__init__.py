"""The ten tasks, one file each; `parse` and `composition` share theirs."""
