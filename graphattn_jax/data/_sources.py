"""Public homes of the data files, with the sha256 of their bytes where it is known."""

from __future__ import annotations

from typing import NamedTuple


class Source(NamedTuple):
    url: str
    sha256: str | None


# Commits, where they are known: the bytes behind these addresses do not change.
_PLANETOID = (
    "https://raw.githubusercontent.com/kimiyoung/planetoid/"
    "af6abf468a772cc055bec88c52e4d6f51b7c37e3/data/"
)
_HETEROPHILOUS = (
    "https://raw.githubusercontent.com/yandex-research/heterophilous-graphs/"
    "a431395582e929d88271309716bea4fe24ce6318/data/"
)
_DGCNN = "https://raw.githubusercontent.com/muhanzhang/pytorch_DGCNN/master/data/"
_KNOWLEDGE_GRAPHS = "https://raw.githubusercontent.com/ZhenfengLei/KGDatasets/master/"
_GNN_BENCHMARK = "https://raw.githubusercontent.com/shchur/gnn-benchmark/master/data/npz/"

SOURCES: dict[str, Source] = {
    filename: Source(home + filename, sha256)
    for home, files in {
        _PLANETOID: {
            "ind.cora.y": "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1",
            "ind.cora.tx": "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
            "ind.cora.ty": "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
            "ind.cora.allx": "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
            "ind.cora.ally": "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
            "ind.cora.graph": "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
            "ind.cora.test.index": (
                "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875"
            ),
            "ind.citeseer.y": "8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924",
            "ind.citeseer.tx": "539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21",
            "ind.citeseer.ty": "55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce",
            "ind.citeseer.allx": "2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668",
            "ind.citeseer.ally": "f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95",
            "ind.citeseer.graph": (
                "d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7"
            ),
            "ind.citeseer.test.index": (
                "2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4"
            ),
            "ind.pubmed.y": "e6c807633307a07ed659249006536a147c7999c797f11a2560752990181b41b3",
            "ind.pubmed.tx": "4eb5f5d0f30f26497eb0ac6ac9719d09c67e284f1ed0385c93f3ef27a671da3d",
            "ind.pubmed.ty": "ee2e0d4819d9fbcc403689c3bf2e49face401b605932f093bc58ab6461130fdd",
            "ind.pubmed.allx": "508e538e2abdccdd54c4d3e9f49d638b4af7107d85845f66ddea5a5152658b7e",
            "ind.pubmed.ally": "0c37bbe3b5014ec365e9d393cf4791925e5ed94fb194305d74f064a8d7b50f0e",
            "ind.pubmed.graph": "5b89f0036ca22909471f1e6558eb42fa06e0c730a577bde5b058b40638f81dc9",
            "ind.pubmed.test.index": (
                "b101d421688bbaecbd82e8a18f1e282378d6830f3a37666f28ebc47f844341b5"
            ),
        },
        _HETEROPHILOUS: {
            "roman_empire.npz": "a58ba741d123bf892fe5c872138d07463d75a2e9012360b8dd78ac2d4766d428",
            "amazon_ratings.npz": (
                "4c3a3e3b9d9f6cba0fede4625a00aad8c5721c1a36ed771367f446763241c7dd"
            ),
            "minesweeper.npz": "e664c8dacf1e8ac466c2c09ed4b237bd2c5541f47a6eae9c6092cb87f16412b3",
            "tolokers.npz": "dacf3ac94cec53d03cd2adb5255c08b33dee1656c33ca8164a464bd9450a1667",
            "questions.npz": "757ebd772bab1475c4dd951ca9e364400c6db161656cff9d21780ee874cf3074",
            "chameleon_filtered.npz": (
                "bf46f07e1fb5249280447e5fe3100f3e82fc4b93ad1e13ffcfdec924b6ac0bb5"
            ),
            "squirrel_filtered.npz": (
                "f06370ffb3116c5de8b7a600005400b2293c025e0ce2f6916d8201a825505ac7"
            ),
            "actor.npz": None,
        },
        _DGCNN: {
            f"{name}/{file}": None
            for name in ("MUTAG", "NCI1", "PROTEINS")
            for file in (f"{name}.txt", *(f"10fold_idx/test_idx-{k}.txt" for k in range(1, 11)))
        },
        _KNOWLEDGE_GRAPHS: {f"UMLS/{part}.txt": None for part in ("train", "valid", "test")},
        _GNN_BENCHMARK: {"ms_academic_cs.npz": None, "ms_academic_phy.npz": None},
    }.items()
    for filename, sha256 in files.items()
}
