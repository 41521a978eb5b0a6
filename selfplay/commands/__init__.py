"""The commands that are about any run; others lie beside what they command, such as `selfplay.studies.command`."""
