"""Which GPUs a node has and offers, under the names of the policy and under others."""

from collections.abc import Mapping

from webhook.decide.nodes.kind import offered_gpus
from webhook.kube.quantity import is_positive
from webhook.nvidia.gpu_resources import is_sharing_resource, may_be_renamed_gpu
from webhook.policy.model import Policy
from webhook.view.view import Node

GPU = "nvidia.com/gpu"
# Labels of GPU feature discovery.
COUNT_LABEL, REPLICAS_LABEL = "nvidia.com/gpu.count", "nvidia.com/gpu.replicas"
STRATEGY_LABEL = "nvidia.com/mig.strategy"


class NodeOffers:
    """The questions to a node's quantities; what is counted depends on the policy."""

    policy: Policy

    def had_gpus(self, node: Node | None) -> bool:
        """Say whether a node has GPUs in its capacity, healthy or not, under any name."""
        return node is not None and any(
            self.is_any_gpu(name) and is_positive(amount) for name, amount in node.capacity.items()
        )

    def is_any_gpu(self, name: str) -> bool:
        """Say whether a resource is a GPU for containers, whether the policy names it or not."""
        return self.policy.is_gpu_resource(name) or is_sharing_resource(name) or may_be_renamed_gpu(name)

    def other_offers(self, node: Node) -> Mapping[str, str]:
        """Return the GPUs that a node offers under names which the policy does not have."""
        return {
            name: amount
            for name, amount in node.allocatable.items()
            if is_positive(amount) and self.is_any_gpu(name) and not self.policy.is_gpu_resource(name)
        }

    def offered(self, node: Node) -> Mapping[str, str]:
        """Return the GPU resources that a node has to give, positive or not."""
        return {name: amount for name, amount in node.allocatable.items() if self.policy.is_gpu_resource(name)}

    def offers_gpus(self, node: Node) -> bool:
        """Say whether a node has GPUs to give, under any name."""
        return bool(offered_gpus(node, self.policy) or self.other_offers(node))

    def lacking(self, node: Node) -> Mapping[str, tuple[str, str]]:
        """Return the GPU resources of which a node offers fewer than it has: what it offers, and what it has."""
        return {
            name: (node.allocatable.get(name, "0"), amount)
            for name, amount in node.capacity.items()
            if self.policy.is_gpu_resource(name) and _count(node.allocatable.get(name)) < _count(amount)
        }

    def counts_fewer(self, node: Node) -> bool:
        """Say whether a node has fewer GPUs than feature discovery counted, where none is shared or cut into parts."""
        replicas, strategy = node.labels.get(REPLICAS_LABEL, "1"), node.labels.get(STRATEGY_LABEL, "none")
        counted, has = node.labels.get(COUNT_LABEL), node.capacity.get(GPU)
        whole = replicas in ("", "0", "1") and strategy == "none"
        return whole and is_positive(has) and _count(has) < _count(counted)


def _count(amount: str | None) -> int:
    return int(amount) if amount and amount.isdecimal() else 0
