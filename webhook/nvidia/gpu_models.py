"""Names of NVIDIA's GPUs, and of the machine types of clouds that have them."""

import re

LONGEST_NAME = 128
WORD = re.compile(r"[a-z0-9]+", re.ASCII)

# The first word of a model's name, as clouds and autoscalers write it. "Radeon", "MI300X" and "Gaudi" are not here.
MODEL_WORDS = frozenset(
    {
        *("tesla", "geforce", "quadro", "titan"),
        *("k40", "k80", "m40", "m60", "p4", "p40", "p100", "v100", "v100s", "t4", "t4g", "t400", "t1000"),
        *("a2", "a10", "a10g", "a10m", "a16", "a30", "a40", "a100", "a100x", "a800"),
        *("a2000", "a4000", "a4500", "a5000", "a5500", "a6000"),
        *("l2", "l4", "l20", "l40", "l40g", "l40s", "h20", "h100", "h200", "h800", "gh200"),
        *("b100", "b200", "b300", "gb10", "gb200", "gb300"),
    }
)
# "rtx4090", "rtxpro6000", "gtx1080ti". A Radeon is an "rx".
MODEL_SERIES = ("rtx", "gtx")
LONGEST_AMBIGUOUS = 3
NEGATIONS, NEGATED = frozenset({"no", "non", "not", "without", "less", "cpu"}), ("nogpu", "nongpu")
OTHER_VENDORS = frozenset(
    {"amd", "radeon", "instinct", "intel", "gaudi", "habana", "tpu", "neuron", "huawei", "ascend"}
)
# The Instinct and the Radeon Pro models of AMD.
OTHER_MODEL = re.compile(r"mi\d{2,3}[a-z]{0,2}|v(?:340|520|620|710)", re.ASCII)


def names_nvidia(value: str) -> bool:
    """Say whether a label's value contains NVIDIA's name, and no other vendor's."""
    return any(word.startswith("nvidia") for word in _words(value)) and not names_other_vendor(value)


def names_other_vendor(value: str) -> bool:
    """Say whether a label's key or value contains the name of another vendor, or of one of its models."""
    return any(word in OTHER_VENDORS or OTHER_MODEL.fullmatch(word) for word in _words(value))


def names_gpus(value: str) -> bool:
    """Say whether a label's value speaks of GPUs, or names a model of NVIDIA's: ``gpu-pool``, ``a100``.

    Names of two or three characters may mean anything.
    """
    words = _words(value)
    if any(word in NEGATIONS or word.startswith(NEGATED) for word in words) or names_other_vendor(value):
        return False
    return any("gpu" in word for word in words) or (is_nvidia_model(value) and len(words[0]) > LONGEST_AMBIGUOUS)


def is_nvidia_model(value: str) -> bool:
    """Say whether a label's value is the name of one of NVIDIA's GPUs."""
    first = next(iter(_words(value)), "")
    is_known = first in MODEL_WORDS or first.startswith((*MODEL_SERIES, "nvidia"))
    return is_known and not names_other_vendor(value)


def _words(value: str) -> list[str]:
    return WORD.findall(value[:LONGEST_NAME].lower())


# AWS' names are short enough to be another cloud's, so they count only beside a label of AWS.
AWS_TYPE = re.compile(
    r"(?:ml\.)?(?:p[2-9][a-z-]{0,4}[a-z0-9]{0,4}|g[3-9][a-z]{0,3}|gr6f?)\.(?:[0-9]{0,3}x?large|metal)"
)
AWS_WITH_AMD = re.compile(r"(?:ml\.)?g4ad\..*")
TYPES = (
    # Azure: the families NC, ND and NV; NVv4 and the sizes with MI300X have GPUs of AMD.
    re.compile(r"standard_n[cdv][0-9a-z_-]{1,40}"),
    # Google Cloud. Other clouds have small machines with names like these.
    re.compile(r"a[2-4]x?-(?:high|mega|ultra|edge|max)gpu-\d{1,2}g(?:-[a-z]{1,12})?"),
    re.compile(r"g2-standard-(?:4|8|12|16|24|32|48|96)|g4-standard-(?:48|96|192|384)"),
    # Oracle Cloud, DigitalOcean, Linode, Lambda.
    re.compile(r"(?:vm|bm)\.gpu\d?\.[a-z0-9_.-]{1,32}"),
    re.compile(r"gpu-[a-z0-9]{2,12}-[0-9]{1,4}gb(?:-[a-z0-9]{1,12})?"),
    re.compile(r"g[1-9]-gpu-[a-z0-9-]{1,32}"),
    re.compile(r"gpu_\d{1,2}x_[a-z0-9_]{1,32}"),
    # Alibaba Cloud, Volcano Engine, Tencent Cloud.
    re.compile(r"ecs\.(?:gn|vgn|sgn|ebmgn|sccgn|gni|pni|ini|hpcpni)\d[a-z0-9]{0,8}[a-z0-9.-]{0,32}"),
    re.compile(r"(?:gn|gt|pnv)\d{1,2}[a-z0-9]{0,8}\.[a-z0-9]{1,24}"),
    # Vultr, Crusoe.
    re.compile(r"vcg-[a-z0-9-]{1,48}"),
    re.compile(r"(?:a40|a100|h100|h200|l40s|b200|gb200)-\d{2,3}gb[a-z0-9-]{0,16}\.\d{1,2}x"),
    # Scaleway, OVHcloud: the name of the model, and the memory.
    re.compile(r"(?:l4|l40s|h100|b300)(?:-sxm)?-\d-\d{2,3}g|gpu-3070-s|render-s"),
    re.compile(r"(?:a10|a100|l4|l40s|h100|h200|rtx5000)-\d{2,4}"),
)


def is_nvidia_instance_type(name: str, *, on_aws: bool) -> bool:
    """Say whether a machine type has NVIDIA's GPUs; ``on_aws`` says that the node has a label of AWS."""
    kind = name[: LONGEST_NAME + 1].lower()
    if len(kind) > LONGEST_NAME or _has_amd(kind):
        return False
    return any(pattern.fullmatch(kind) for pattern in TYPES) or (on_aws and AWS_TYPE.fullmatch(kind) is not None)


def _has_amd(kind: str) -> bool:
    words = WORD.findall(kind)
    is_nvv4 = kind.startswith("standard_nv") and any(word.endswith("as") for word in words) and kind.endswith("_v4")
    is_g4ad = AWS_WITH_AMD.fullmatch(kind) is not None
    return is_nvv4 or is_g4ad or any(OTHER_MODEL.match(word) for word in words)
