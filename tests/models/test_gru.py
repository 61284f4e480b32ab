import torch

from tutorial_lib.models import build_model


def test_equals_the_equations_written_out():
    """Cho et al. 2014: reset and update gates, candidate state, convex mixture; one event after the
    other.
    """
    model = build_model("gru4rec", num_items=20, max_len=8, dim=6, seed=2).double().eval()
    items = torch.tensor([[3, 17, 5, 5, 11]])
    # reset, update, candidate
    w_in, w_state = model.gru.weight_ih_l0.chunk(3), model.gru.weight_hh_l0.chunk(3)
    b_in, b_state = model.gru.bias_ih_l0.chunk(3), model.gru.bias_hh_l0.chunk(3)
    state, expected = torch.zeros(6, dtype=torch.double), []
    for x in model.item_embedding(items[0]) * 6**0.5:
        from_input = [w @ x + b for w, b in zip(w_in, b_in, strict=True)]
        from_state = [w @ state + b for w, b in zip(w_state, b_state, strict=True)]
        reset, update = (torch.sigmoid(from_input[i] + from_state[i]) for i in (0, 1))
        candidate = torch.tanh(from_input[2] + reset * from_state[2])
        state = (1 - update) * candidate + update * state
        expected.append(model.out(state))
    torch.testing.assert_close(model(items)[0], torch.stack(expected), atol=1e-12, rtol=1e-12)


def test_parameter_count():
    """V+1 items of width d, three gates with two matrices and two biases each, one linear map."""
    items, dim = 3416, 64
    model = build_model("gru4rec", num_items=items, max_len=200, dim=dim)
    expected = (items + 1) * dim + 3 * (2 * dim * dim + 2 * dim) + dim * dim + dim
    assert sum(p.numel() for p in model.parameters()) == expected == 247_808
