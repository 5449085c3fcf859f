"""Branches and loops: nodes inside a node, which see the values outside."""
from onnx import TensorProto, helper


def choice(b, condition, then, otherwise, outputs=1):
    """If: what `then(builder)` or `otherwise(builder)` returns, a name (or with outputs > 1 a list), all float32."""
    branches = [_branch(b, make, outputs) for make in (then, otherwise)]
    return b.node("If", condition, outputs=outputs, then_branch=branches[0], else_branch=branches[1])


def _branch(b, make, outputs):
    inner = b.inner()
    names = make(inner)
    names = [names] if outputs == 1 else list(names)
    # An output must be made inside: one that comes from outside, or twice, goes through an Identity.
    names = [inner.node("Identity", name) for name in names]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    return helper.make_graph(inner.nodes, inner.reserve("branch"), [], values, list(inner.constants.values()))


def repeat(b, count, body):
    """Loop: the values of `body(builder, i)` for i = 0 .. count - 1 (int64 scalars), as one sequence of tensors."""
    inner = b.inner()
    step, going, before = (inner.reserve(name) for name in ("step", "going", "before"))
    after = inner.node("SequenceInsert", before, body(inner, step))
    still = inner.node("Identity", going)
    sequence = helper.make_tensor_sequence_value_info
    graph = helper.make_graph(
        inner.nodes, inner.reserve("body"),
        [helper.make_tensor_value_info(step, TensorProto.INT64, []),
         helper.make_tensor_value_info(going, TensorProto.BOOL, []), sequence(before, TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info(still, TensorProto.BOOL, []), sequence(after, TensorProto.FLOAT, None)],
        list(inner.constants.values()))
    empty = b.node("SequenceEmpty", dtype=TensorProto.FLOAT)
    return b.node("Loop", count, "", empty, body=graph)
