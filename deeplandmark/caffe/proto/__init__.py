"""Caffe's wire format: `caffe.proto`, and the message classes built from it (`caffe_pb2`)."""
