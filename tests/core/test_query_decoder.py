from __future__ import annotations

import pytest
import torch

from medpipe.core.ecg.query_decoder import DecoderShape, QueryDecoder

TOLERANCE = 1e-6


def decoder(**changes) -> QueryDecoder:
    torch.manual_seed(0)
    shape = {"memory": 24, "text": 20, "width": 32, "layers": 2, "heads": 4, "hidden": 48, **changes}
    return QueryDecoder(DecoderShape(**shape)).eval()


def tokens_and_queries(records=3, tokens=7, queries=5):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(records, tokens, 24, generator=generator), torch.randn(queries, 20, generator=generator)


def test_without_self_attention_a_score_does_not_depend_on_the_class_list():
    network, (memory, queries) = decoder(), tokens_and_queries()
    whole = network(memory, queries)
    for number in range(len(queries)):
        assert torch.allclose(network(memory, queries[number : number + 1])[:, 0], whole[:, number], atol=TOLERANCE)
    turned = network(memory, queries.flip(0)).flip(1)
    assert torch.allclose(turned, whole, atol=TOLERANCE)


def test_with_self_attention_a_score_depends_on_the_class_list():
    network, (memory, queries) = decoder(self_attention=True), tokens_and_queries()
    alone = network(memory, queries[:1])[:, 0]
    assert (alone - network(memory, queries)[:, 0]).abs().max() > 100 * TOLERANCE


def test_padding_changes_nothing_and_is_not_attended_to():
    network, (memory, queries) = decoder(), tokens_and_queries()
    padded = torch.cat((memory, torch.full((3, 4, 24), 9.0)), dim=1)
    padding = torch.arange(11).expand(3, -1) >= 7
    logits, attention = network.attend(padded, queries, padding)
    assert torch.allclose(logits, network(memory, queries), atol=TOLERANCE)
    assert attention[..., 7:].abs().max() == 0


def test_attention_sums_to_one_and_comes_with_the_same_logits():
    network, (memory, queries) = decoder(), tokens_and_queries()
    logits, attention = network.attend(memory, queries)
    assert attention.shape == (3, 5, 7)
    assert torch.allclose(attention.sum(-1), torch.ones(3, 5), atol=TOLERANCE)
    assert torch.allclose(logits, network(memory, queries), atol=TOLERANCE)


def test_the_default_is_kads_shape_without_its_self_attention():
    network = QueryDecoder(DecoderShape(memory=192, text=768))
    shape = network.shape
    assert (shape.width, shape.layers, shape.heads, shape.hidden, shape.dropout) == (768, 4, 4, 1024, 0.1)
    assert not any("among" in name for name, _ in network.named_parameters())
    spread = float(network.layers[0].across.in_proj_weight.detach().std())
    assert spread == pytest.approx(0.02, rel=0.05)
    assert network.head.out_features == 1


def test_one_norm_serves_memory_queries_and_result():
    network, (memory, queries) = decoder(), tokens_and_queries()
    seen = []
    network.norm.register_forward_hook(lambda module, given, out: seen.append(tuple(out.shape)))
    network(memory, queries)
    assert seen == [(3, 7, 32), (5, 32), (3, 5, 32)]


def test_wrong_widths_are_refused():
    network, (memory, queries) = decoder(), tokens_and_queries()
    with pytest.raises(ValueError, match="takes"):
        network(memory, queries[:, :-1])
    with pytest.raises(ValueError, match="heads"):
        decoder(heads=5)
