"""Faces and their points in pictures, folders and videos: what the commands `detect` and `align` are made of."""
