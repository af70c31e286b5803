"""What every step stands on: files, the host, results, tables, artefacts and the digest of the code."""
