"""include and exclude rules: which layers of a definition belong to one phase, level and set of stages."""
from deeplandmark.caffe.errors import NetError


def layer_is_included(layer, phase, level=0, stages=()):
    """Whether a LayerParameter belongs to the net (net.cpp, FilterNet).

    Without rules a layer is in; with include rules it is in when one of them is met; with exclude rules it is out
    when one of them is met.

    Raises
    ------
    NetError
        When a layer has both kinds of rules.
    """
    if layer.include and layer.exclude:
        raise NetError("has include rules and exclude rules; give only one kind", layer=layer.name)
    rules = layer.include or layer.exclude
    met = any(meets_rule(rule, phase, level, stages) for rule in rules)
    return met if layer.include else not met


def meets_rule(rule, phase, level=0, stages=()):
    """Whether every condition of a NetStateRule holds (net.cpp, StateMeetsRule); an empty rule is always met."""
    return not (rule.HasField("phase") and rule.phase != phase
                or rule.HasField("min_level") and level < rule.min_level
                or rule.HasField("max_level") and level > rule.max_level
                or any(stage not in stages for stage in rule.stage)
                or any(stage in stages for stage in rule.not_stage))
