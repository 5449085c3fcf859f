"""What every system's networks are made of, as data: a row for a network, a row for a family, the view a network has.

Systems (cascade/, regressor/ ...) hold rows of these kinds; training/ makes samples and nets for any of them.
"""
