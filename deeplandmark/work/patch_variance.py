"""The one number that networks' inputs (faces) and the data layer that makes them in training (caffe) must share."""

# Added to a patch's variance, grey levels squared: too little to be seen in a picture, and what rounding leaves of a
# patch of one colour stays near zero.
FLAT = 1e-4
