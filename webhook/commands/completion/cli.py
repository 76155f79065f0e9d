"""``completion``: print the shell's completion script."""

import click

from webhook.commands.shared.exit_codes import states_exit_codes


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@states_exit_codes("completion")
def completion(shell: str) -> None:
    """Print the script that completes commands and options in the shell.

    \b
    source <(gpu-injector completion bash)
    source <(gpu-injector completion zsh)
    gpu-injector completion fish | source
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found:
        whole = click.get_current_context().find_root().command
        click.echo(found(whole, {}, "gpu-injector", "_GPU_INJECTOR_COMPLETE").source())
