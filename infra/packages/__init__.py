"""What is zipped, unpacked and hashed on the deployer's machine: the artifact, the function's archive, the image."""
