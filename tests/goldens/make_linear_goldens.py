"""Linear attention of PyTorch Geometric on the nodes of one graph: `python make_linear_goldens.py` writes `linear.npz`
beside itself. Needs torch and torch_geometric; the tests that read the file do not.

A layer is `<case>/param/<name in PyG>`, `<case>/out`, and `<case>/padded`: what the same nodes get with padding behind
them and a mask.
"""

from pathlib import Path

import numpy as np

NODES, WIDTH, HEADS, CHANNELS, PADDING = 12, 6, 2, 3, 5


def main():
    import torch
    import torch_geometric
    from torch_geometric.nn import attention

    torch.manual_seed(0)
    x = torch.tensor(np.random.default_rng(0).normal(size=(1, NODES, WIDTH)), dtype=torch.float32)
    padded = torch.cat([x, torch.zeros(1, PADDING, WIDTH)], dim=1)
    mask = torch.arange(NODES + PADDING)[None] < NODES
    size = {"heads": HEADS, "head_channels": CHANNELS, "qkv_bias": True}
    layers = {
        "performer": attention.PerformerAttention(WIDTH, **size),
        "sgformer": attention.SGFormerAttention(WIDTH, **size),
        "polynormer": attention.PolynormerAttention(WIDTH, **size),
        "polynormer_apart": attention.PolynormerAttention(WIDTH, qk_shared=False, **size),
    }
    versions = [f"torch {torch.__version__}", f"torch_geometric {torch_geometric.__version__}"]
    arrays = {"versions": np.array(versions), "nodes": x[0].numpy()}
    for name, layer in layers.items():
        with torch.no_grad():
            for parameter in layer.parameters():
                if parameter.ndim == 1:
                    parameter += 0.3 * torch.randn_like(parameter)
            arrays[f"{name}/out"] = layer(x)[0].numpy()
            arrays[f"{name}/padded"] = layer(padded, mask)[0, :NODES].numpy()
        for key, value in layer.state_dict().items():
            arrays[f"{name}/param/{key}"] = value.numpy()
    path = Path(__file__).with_name("linear.npz")
    np.savez_compressed(path, **arrays)
    print(path, path.stat().st_size, *versions)


if __name__ == "__main__":
    main()
