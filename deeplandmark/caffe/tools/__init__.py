"""The command line: verbs of the `caffe` program, and a file for each tool beside it."""
