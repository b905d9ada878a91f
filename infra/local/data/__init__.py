"""The data folder of a local run: whose it is, who may touch it, and the secrets that it keeps."""
