"""The command line, ``gpu-injector``: one small function a command; what a command needs is imported in it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from webhook.commands.scope import Scope

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
DAYS = click.FloatRange(0, 3650, min_open=True)
SECONDS = click.FloatRange(0, 3600, min_open=True)
INSTALLED_IN = click.option(
    "-n", "--namespace", default="gpu-injector", show_default=True, help="The namespace of the replicas."
)
POLICY = click.option("--policy", "policy_file", type=FILE, help="The policy; without it, every default.")
LIVE_POLICY = click.option(
    "--policy", "policy_file", type=FILE, help="The policy; without it, that of the webhook in the cluster."
)

KUBECONFIG = click.option("--kubeconfig", type=FILE, help="The kubeconfig file; without it, kubectl's own.")
CONTEXT = click.option("--context", help="The context in it; without it, the current one.")


def _scope_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say what is looked at; `_scope` reads them."""
    options = (
        click.option(
            "-f", "--filename", "files", multiple=True, help="A file, a folder, or - for stdin; may be repeated."
        ),
        click.option("-R", "--recursive", is_flag=True, help="With a folder: the folders below it, too."),
        click.option(
            "--view", "view_files", type=FILE, multiple=True, help="The cluster: what `kubectl get … -o yaml` printed."
        ),
        LIVE_POLICY,
        KUBECONFIG,
        CONTEXT,
        click.option("-n", "--namespace", help="Of what names none; without -f: look into this one."),
        click.option("-A", "--all-namespaces", is_flag=True, help="Without -f: look into all namespaces."),
        click.option("-l", "--selector", default="", help="Without -f: only objects with these labels."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _scope(options: dict[str, Any]) -> "Scope":
    """Take those options out, and refuse what does not go together."""
    from webhook.commands.live import Target  # noqa: PLC0415
    from webhook.commands.scope import Scope  # noqa: PLC0415

    target = Target(options.pop("kubeconfig"), options.pop("context"))
    everywhere = options.pop("all_namespaces")
    named = {one.name: options.pop(one.name) for one in fields(Scope) if one.name != "target"}
    if named["files"] and (everywhere or named["selector"]):
        raise click.UsageError("-A and -l choose what is looked at in a cluster, and do not go with -f")
    if everywhere and named["namespace"]:
        raise click.UsageError("-A and -n do not go together")
    return Scope(target=target, **named | {"namespace": "" if everywhere else named["namespace"]})


@contextmanager
def _lacking(package: str) -> Iterator[None]:
    """Import without a package, for whoever takes its absence well.

    structlog imports rich where it finds it, for tracebacks in colour that a server never prints: that costs 3 MiB.
    No part of structlog can be imported without that, and it has no setting for it (structlog/dev.py, as of 25.5).
    """
    loaded = sys.modules.get(package)
    sys.modules[package] = None  # type: ignore[assignment]  # documented: an import of it fails then
    try:
        yield
    finally:
        del sys.modules[package]
        if loaded:
            sys.modules[package] = loaded


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gpu-injector", prog_name="gpu-injector")
def main() -> None:
    """Give GPU pods, and NVIDIA's device plugin, their driver.

    \b
    On this machine, without a cluster:
      gpu-injector demo
    Before anything is created:
      gpu-injector preview -f pod.yaml
    When a pod sees no GPU:
      gpu-injector doctor
      gpu-injector why pod/NAME -n NAMESPACE
    Before the webhook is uninstalled:
      gpu-injector eject -A

    All of it works as a kubectl plugin, too: kubectl gpu-injector doctor
    """


@main.command()
@click.option("--standalone", is_flag=True, help="No cluster: the view from a file, a certificate made on the spot.")
@click.option("--view", "view_file", type=FILE, help="With --standalone: what `kubectl get … -o yaml` printed.")
@POLICY
@click.option("--kubeconfig", type=FILE, help="Reach the API server by this file; in a pod it is not needed.")
@click.option("--host", default="", help="The address to listen on; all of them in a cluster, loopback standalone.")
@click.option("--port", type=click.IntRange(0, 65535), default=8443, show_default=True, help="0 chooses a free one.")
@click.option("--admin-port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Probes, metrics.")
@click.option("--decisions-port", type=click.IntRange(0, 65535), default=8081, show_default=True, help="On loopback.")
@click.option("--ca-file", type=FILE, help="With --standalone: write the CA's certificate here, for clients.")
@click.option("--tls-name", "tls_names", multiple=True, help="One more name or address in the certificate.")
@click.option(
    "--cert-dir", type=FOLDER, help="Serve tls.crt and tls.key of this folder, such as cert-manager's Secret."
)
@click.option("--leaf-days", type=DAYS, default=90.0, show_default=True, help="How long an own certificate lives.")
@click.option("--ca-days", type=DAYS, default=365.0, show_default=True, help="How long an own CA lives.")
@click.option("--look-seconds", type=SECONDS, default=50.0, show_default=True, help="Between two looks at all of it.")
@click.option(
    "--settle-seconds", type=SECONDS, default=60.0, show_default=True, help="For API servers to see a new CA."
)
@click.option("--drain-seconds", type=click.FloatRange(0), default=20.0, show_default=True, help="After SIGTERM.")
def serve(standalone: bool, view_file: Path | None, policy_file: Path | None, **options: Any) -> None:  # noqa: ANN401, FBT001  click's
    """Run the webhook, in a cluster or (--standalone) on one machine.

    \b
    gpu-injector serve --policy policy.yaml
    gpu-injector serve --standalone --view view.yaml --port 0 --ca-file ca.crt
    """
    with _lacking("rich"):
        from webhook.commands import serve as command  # noqa: PLC0415
    from webhook.commands.certificate_provider import CertificateOptions  # noqa: PLC0415

    if standalone and options["cert_dir"]:
        raise click.UsageError("--cert-dir goes without --standalone")
    if standalone and view_file is None:
        raise click.UsageError("--standalone needs --view FILE")
    if not standalone and view_file is not None:
        raise click.UsageError("--view goes with --standalone")
    certificate = CertificateOptions(**{one.name: options.pop(one.name) for one in fields(CertificateOptions)})
    files: dict[str, Any] = {"view_file": view_file, "policy_file": policy_file}
    command.serve(command.Options(standalone=standalone, certificate=certificate, **files, **options))


@main.command()
@click.option("--examples", type=click.Path(path_type=Path, file_okay=False), help="The folder of pods and view.")
def demo(examples: Path | None) -> None:
    """Show on this machine what the webhook does: real reviews over HTTPS, no cluster.

    \b
    gpu-injector demo
    gpu-injector demo --examples my-pods
    """
    from webhook.commands.demo import demo as command  # noqa: PLC0415

    sys.exit(command(examples))


@main.command()
@_scope_options
@click.option(
    "-o", "--output", type=click.Choice(["table", "diff", "patch", "yaml", "json"]), help="diff; without -f table."
)
@click.option("--explain", is_flag=True, help="Show each row of the decision that was tried, and what it looked at.")
def preview(output: str | None, explain: bool, **options: Any) -> None:  # noqa: ANN401, FBT001  click's
    """Show what the webhook would do, before anything is created.

    \b
    A manifest, as it would meet the cluster of your kubeconfig:
      gpu-injector preview -f pod.yaml
    A chart, without any cluster:
      kubectl get runtimeclasses,namespaces,nodes -o yaml > view.yaml
      helm template my-chart | gpu-injector preview -f - --view view.yaml
    Patched without the webhook:
      helm template my-chart | gpu-injector preview -f - -o yaml | kubectl apply -f -
    What runs already, if it were created again:
      gpu-injector preview -A
    Why:
      gpu-injector preview -f pod.yaml --explain

    The cluster is that of the kubeconfig, and the policy that of the webhook in it; --view FILE takes its place, or
    joins it if --kubeconfig or --context is given, too. --policy takes the policy's place.

    Exit code: 0 nothing would change, 1 something would, 2 an error. With -o yaml 0 and 2 only.
    """
    from webhook.commands import preview as command  # noqa: PLC0415

    scope = _scope(options)
    output = output or ("diff" if scope.files else "table")
    if explain and output in ("patch", "yaml"):
        raise click.UsageError("--explain goes with -o table, diff and json")
    sys.exit(command.preview(command.Options(scope=scope, output=output, explain=explain)))


@main.command()
@_scope_options
@click.option(
    "-o",
    "--output",
    type=click.Choice(["kustomize", "helm-values", "kubectl", "json"]),
    default="kustomize",
    show_default=True,
    help="kubectl: a shell script of `kubectl patch`.",
)
@click.option("--output-dir", "folder", type=FOLDER, help="With -o kustomize: write the component into this folder.")
def eject(output: str, folder: Path | None, **options: Any) -> None:  # noqa: ANN401  click's
    """Print the patches that make the webhook unnecessary for what runs today: before you uninstall it.

    \b
    What runs in the cluster, as a kustomize component:
      gpu-injector eject -A --output-dir eject
    Manifests, without any cluster:
      gpu-injector eject -f manifests -R --view view.yaml --output-dir eject
    What to write into the values of Helm charts:
      gpu-injector eject -A -o helm-values
    Patched in the cluster itself, at once:
      gpu-injector eject -n ml -o kubectl | sh

    Nothing is changed. What no patch can be made of, such as pods that nobody makes again, is named in comments.

    Exit code: 0 there is nothing to patch, 1 there is, 2 an error.
    """
    from webhook.commands import eject as command  # noqa: PLC0415

    if folder and output != "kustomize":
        raise click.UsageError("--output-dir goes with -o kustomize")
    sys.exit(command.eject(command.Options(scope=_scope(options), output=output, folder=folder)))


@main.command()
@KUBECONFIG
@CONTEXT
@click.option("-n", "--namespace", default="", help="Look at the GPU pods of this namespace alone.")
@LIVE_POLICY
@click.option("-o", "--output", type=click.Choice(["table", "json", "short"]), default="table", show_default=True)
@click.option("--wait", "wait_seconds", type=click.FloatRange(0), default=0, help="Look again for so many seconds.")
def doctor(kubeconfig: Path | None, context: str | None, **options: Any) -> None:  # noqa: ANN401  click's
    """Find out why GPU pods do not work in this cluster. It only reads; one pod is tried, none is made.

    \b
    gpu-injector doctor
    gpu-injector doctor -n ml -o short
    gpu-injector doctor --wait 120 -o json

    Exit code: 0 nothing failed, 1 a check failed, 2 an error, 3 nothing failed, but some checks had no right to look.
    """
    from webhook.commands.doctor import Options  # noqa: PLC0415
    from webhook.commands.doctor import doctor as command  # noqa: PLC0415
    from webhook.commands.live import Target  # noqa: PLC0415

    sys.exit(command(Options(target=Target(kubeconfig, context), **options)))


@main.command()
@click.option("-n", "--namespace", default="", help="Of pods of this namespace alone.")
@click.option("--verdict", default="", help="inject, mount, bootstrap or leave.")
@click.option("--reason", default="", help="One word of docs/reasons.md, such as handler-mixed.")
@click.option("-q", "--search", "q", default="", help="Text in names, owner, warnings, evidence or uid.")
@click.option("--attention", is_flag=True, help="Those alone that warn of something.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--follow", is_flag=True, help="Go on with what is decided from now on; JSON comes line by line.")
@click.option("--web", is_flag=True, help="Open the page of all replicas in the browser, until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="With --web: its port here; 0 is a free one.")
@click.option("--installed-in", default="gpu-injector", show_default=True, help="The namespace of the replicas.")
@click.option("--kubeconfig", type=FILE, help="Instead of kubectl's own.")
@click.option("--context", help="A context of the kubeconfig.")
def decisions(kubeconfig: Path | None, context: str | None, attention: bool, **options: Any) -> None:  # noqa: ANN401, FBT001  click's
    """Show what was decided lately, by all replicas: the last 1,000 decisions of each.

    \b
    gpu-injector decisions -n ml --attention
    gpu-injector decisions --follow
    gpu-injector decisions --web

    It needs the rights to list the replicas' pods and to forward a port to them (get and create pods/portforward).
    Exit code: 0, or 2 where a replica could not be asked.
    """
    from webhook.commands import decisions as command  # noqa: PLC0415
    from webhook.commands.live import Target  # noqa: PLC0415
    from webhook.page.filters import Filters  # noqa: PLC0415

    asked = {name: options.pop(name) for name in ("namespace", "verdict", "reason", "q")}
    filters = Filters.of({**asked, "attention": "1" if attention else ""})
    sys.exit(command.decisions(command.Options(target=Target(kubeconfig, context), filters=filters, **options)))


@main.command()
@click.argument("thing", metavar="KIND/NAME")
@LIVE_POLICY
@KUBECONFIG
@CONTEXT
@click.option("-n", "--namespace", help="Without it, the namespace of the context.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def why(  # noqa: PLR0913, PLR0917  click's
    thing: str,
    policy_file: Path | None,
    kubeconfig: Path | None,
    context: str | None,
    namespace: str | None,
    output: str,
) -> None:
    """Tell why the pods of an object are treated as they are: is the webhook called, was it, what is decided today.

    \b
    gpu-injector why pod/trainer-0 -n ml
    gpu-injector why deploy/trainer -n ml
    gpu-injector why rayclusters.ray.io/trainer -n ml

    KIND is any that kubectl knows here, if its pod template can be found in it.
    The policy is that of the webhook in the cluster, where it may be read; --policy takes its place.
    """
    from webhook.commands import why as command  # noqa: PLC0415
    from webhook.commands.live import Target  # noqa: PLC0415

    command.why(thing, namespace, policy_file, Target(kubeconfig, context), output)


@main.group()
def policy() -> None:
    """Check a policy file, show every key with its meaning, or print its JSON Schema.

    \b
    gpu-injector policy show > policy.yaml
    gpu-injector policy check policy.yaml
    """


@policy.command("check")
@click.argument("file", type=FILE)
def policy_check(file: Path) -> None:
    """Check a policy file as the server would. Exit code 2 and a line for each fault where it is refused.

    \b
    gpu-injector policy check policy.yaml
    """
    from webhook.commands import policy as command  # noqa: PLC0415

    command.check(file)


@policy.command("show")
@click.argument("file", type=FILE, required=False)
def policy_show(file: Path | None) -> None:
    """Print every key with its meaning, as a policy file: the defaults, or those of FILE.

    \b
    gpu-injector policy show > policy.yaml
    """
    from webhook.commands import policy as command  # noqa: PLC0415

    command.show(file)


@policy.command("schema")
def policy_schema() -> None:
    """Print the JSON Schema of the policy file.

    \b
    gpu-injector policy schema > policy.schema.json
    # then, as the first line of policy.yaml:
    # yaml-language-server: $schema=policy.schema.json
    """
    from webhook.commands import policy as command  # noqa: PLC0415

    command.schema()


@main.group()
def export() -> None:
    """Print what other parts of Kubernetes can do without the webhook.

    \b
    gpu-injector export mutating-admission-policy
    """


@export.command("mutating-admission-policy")
@POLICY
def export_mutating_admission_policy(policy_file: Path | None) -> None:
    """Print a MutatingAdmissionPolicy: what CEL can say of the policy, and in comments what it cannot.

    \b
    gpu-injector export mutating-admission-policy --policy policy.yaml | kubectl apply -f -
    """
    from webhook.commands import export as command  # noqa: PLC0415

    command.mutating_admission_policy(policy_file)


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes the shell complete commands and options.

    \b
    source <(gpu-injector completion bash)
    source <(gpu-injector completion zsh)
    gpu-injector completion fish | source
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    found = get_completion_class(shell)
    if found:
        click.echo(found(main, {}, "gpu-injector", "_GPU_INJECTOR_COMPLETE").source())


@main.command()
@KUBECONFIG
@CONTEXT
@click.option("-n", "--namespace", default="", help="Make the pods here; without it, in a namespace made for it.")
@LIVE_POLICY
@click.option("--node", "nodes", multiple=True, help="Only this node; may be given again.")
@click.option("--image", default="", help="Another image with Python; without it, that of our Deployment.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--timeout", "timeout_seconds", type=click.FloatRange(0), default=120, show_default=True, help="Seconds.")
@click.option("--server-side", is_flag=True, help="Make no pod: only ask the API server what it would make of one.")
def verify(kubeconfig: Path | None, context: str | None, **options: Any) -> None:  # noqa: ANN401  click's
    """Prove that GPU pods work: a pod on each GPU node loads NVML and CUDA's driver library, and is removed again.

    \b
    gpu-injector verify
    gpu-injector verify --node gpu-1 --image python:3.13-slim
    gpu-injector verify --server-side -n ml

    Exit code: 0 every node works, 1 one does not, 2 an error, 3 none fails, but some could not be tried.
    """
    from webhook.commands.live import Target  # noqa: PLC0415
    from webhook.commands.verify import Options  # noqa: PLC0415
    from webhook.commands.verify import verify as command  # noqa: PLC0415

    sys.exit(command(Options(target=Target(kubeconfig, context), **options)))


@main.command(hidden=True)
def probe() -> None:
    """Say as JSON what GPU this container has: what `verify` runs in its pods.

    \b
    kubectl exec trainer-0 -- gpu-injector probe
    """
    import json  # noqa: PLC0415

    from webhook.probe import probe as look  # noqa: PLC0415

    click.echo(json.dumps(look()))


@main.group()
def certs() -> None:
    """Show the webhook's certificates, or rotate them now.

    \b
    gpu-injector certs show
    gpu-injector certs rotate
    """


@certs.command()
@INSTALLED_IN
@KUBECONFIG
@CONTEXT
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def show(kubeconfig: Path | None, context: str | None, **options: Any) -> None:  # noqa: ANN401  click's
    """Show what is served, what is registered, what expires when, and what comes next.

    \b
    gpu-injector certs show
    gpu-injector certs show -n my-namespace -o json

    Every replica is asked for its certificate over TLS, by port-forward (create pods/portforward).
    Exit code: 0 the API server accepts it, 1 it would refuse it or there is none, 2 an error.
    """
    from webhook.commands import certs as command  # noqa: PLC0415
    from webhook.commands.live import Target  # noqa: PLC0415

    sys.exit(command.show(command.Options(target=Target(kubeconfig, context), **options)))


@certs.command()
@click.option("--revoke", is_flag=True, help="Trust the former CA no longer than minutes: for a key that leaked.")
@INSTALLED_IN
@KUBECONFIG
@CONTEXT
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def rotate(kubeconfig: Path | None, context: str | None, revoke: bool, **options: Any) -> None:  # noqa: ANN401, FBT001  click's
    """Begin a rotation of CA and certificate now, gracefully: no call of the API server fails.

    \b
    gpu-injector certs rotate
    A key leaked:
      gpu-injector certs rotate --revoke

    It needs the right to patch the Secret.
    """
    from webhook.commands import certs as command  # noqa: PLC0415
    from webhook.commands.live import Target  # noqa: PLC0415

    asked = command.Options(target=Target(kubeconfig, context), **options)
    sys.exit(command.rotate(asked, "revoke" if revoke else "graceful"))


if __name__ == "__main__":
    main()
