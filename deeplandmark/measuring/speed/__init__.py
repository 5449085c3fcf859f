"""How fast training and prediction are: everything measured in turn in one process, so that ratios can be trusted."""
