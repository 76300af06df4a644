"""Tab completion for any argparse command: bash, zsh, fish."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_SUGGESTIONS = "completion_suggestions"


@dataclass
class _Place:
    """What may be typed after one chain of sub-commands, `capture/start`; the command itself is the empty one."""

    path: str
    words: dict[str, str] = field(default_factory=dict)  # word -> help
    values: dict[str, list[str]] = field(default_factory=dict)  # option that takes a value -> known values


def suggest(action: argparse.Action, words: Iterable[str]) -> None:
    """Offer words for an argument that takes others, too."""
    setattr(action, _SUGGESTIONS, list(words))


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the completion script for `parser.prog`; `ValueError` for an unknown shell."""
    places = list(_places(parser, ""))
    writers = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    if shell not in writers:
        raise ValueError(f'no completion is known for "{shell}"; there are {", ".join(writers)}')
    return writers[shell](parser.prog, places)


def _places(parser: argparse.ArgumentParser, path: str) -> Iterator[_Place]:
    place = _Place(path)
    below: list[tuple[argparse.ArgumentParser, str]] = []
    for action in parser._actions:
        if action.help == argparse.SUPPRESS:
            continue
        values = [str(one) for one in getattr(action, _SUGGESTIONS, None) or action.choices or ()]
        told = (action.help or "").replace("%%", "%")
        if isinstance(action, argparse._SubParsersAction):
            helps = {one.dest: one.help or "" for one in action._choices_actions}
            for name, child in action.choices.items():
                place.words[name] = helps.get(name, "")
                below.append((child, f"{path}/{name}" if path else name))
        elif action.option_strings:
            for option in action.option_strings:
                place.words[option] = told
                if action.nargs != 0:
                    place.values[option] = values
        else:
            place.words.update(dict.fromkeys(values, ""))
    yield place
    for child, child_path in below:
        yield from _places(child, child_path)


def _name(prog: str) -> str:
    return "_" + "".join(letter if letter.isalnum() else "_" for letter in prog)


def _cases(places: list[_Place], place_variable: str, previous: str) -> tuple[str, str]:
    """Return the arms of two `case`s: values after an option; words at a place. Both bash and zsh read them."""
    values = [
        f"        {shlex.quote(f'{place.path}:{option}')}) candidates={shlex.quote(' '.join(known))}; taken=1 ;;"
        for place in places
        for option, known in place.values.items()
    ]
    words = [
        f"        {shlex.quote(place.path)}) candidates={shlex.quote(' '.join(place.words))} ;;"
        for place in places
    ]
    first = f'    case "${place_variable}:${previous}" in\n' + "\n".join(values) + "\n    esac"
    second = f'    [ -n "$taken" ] || case "${place_variable}" in\n' + "\n".join(words) + "\n    esac"
    return first, second


def _bash(prog: str, places: list[_Place]) -> str:
    values, words = _cases(places, "place", "previous")
    paths = shlex.quote(" " + " ".join(place.path for place in places if place.path) + " ")
    return f"""# bash completion of {prog}: source this, or save it as ~/.local/share/bash-completion/completions/{prog}
{_name(prog)}() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
    local places={paths} place="" taken="" candidates="" word index
    for ((index = 1; index < COMP_CWORD; index++)); do
        word="${{place:+$place/}}${{COMP_WORDS[index]}}"
        [[ "$places" == *" $word "* ]] && place="$word"
    done
{values}
{words}
    COMPREPLY=($(compgen -W "$candidates" -- "$current"))
}}
complete -o default -F {_name(prog)} {prog}"""


def _zsh(prog: str, places: list[_Place]) -> str:
    values, words = _cases(places, "place", "previous")
    paths = shlex.quote(" " + " ".join(place.path for place in places if place.path) + " ")
    return f"""#compdef {prog}
{_name(prog)}() {{
    local previous="${{words[CURRENT-1]}}" places={paths} place="" taken="" candidates="" word one
    for one in "${{(@)words[2,CURRENT-1]}}"; do
        word="${{place:+$place/}}$one"
        [[ "$places" == *" $word "* ]] && place="$word"
    done
{values}
{words}
    compadd -- ${{=candidates}} || _files
}}
compdef {_name(prog)} {prog}"""


def _fish(prog: str, places: list[_Place]) -> str:
    at = f"_{_name(prog)}_at"
    paths = " ".join(shlex.quote(place.path) for place in places if place.path)
    lines = [
        f"function {at}",
        "    set -l place",
        "    for word in (commandline -opc)[2..-1]",
        '        set -l longer (string join / -- $place "$word")',
        f"        contains -- $longer {paths}; and set place $longer",
        "    end",
        '    test "$place" = "$argv[1]"',
        "end",
    ]
    for place in places:
        condition = shlex.quote(f"{at} {shlex.quote(place.path)}")
        for word, told in place.words.items():
            line = f"complete -c {prog} -n {condition}"
            if word.startswith("--"):
                line += f" -l {shlex.quote(word[2:])}"
            elif word.startswith("-"):
                line += f" -s {shlex.quote(word[1:])}"
            else:
                line += f" -a {shlex.quote(word)}"
            if word in place.values:
                known = place.values[word]
                line += f" -x -a {shlex.quote(' '.join(known))}" if known else " -r"
            if told:
                line += f" -d {shlex.quote(told)}"
            lines.append(line)
    return "\n".join(lines)
