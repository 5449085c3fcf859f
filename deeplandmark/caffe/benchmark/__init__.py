"""Well-known nets in their public shapes, and how fast they run here and in OpenCV's importer of Caffe nets."""
