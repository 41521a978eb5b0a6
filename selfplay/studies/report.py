from pathlib import Path


def write_report(study, folder, seeds):
    return f"runs are under {folder}"
