"""Files that nets come from and go to: prototxt, weights, HDF5, pictures, window files; old definitions upgraded."""
