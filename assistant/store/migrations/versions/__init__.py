"""One module a version, named after it; never changed once released."""
