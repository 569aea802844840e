"""Token healing of requests: where their prompts end inside a token. See `grammars/healing.py`."""

from __future__ import annotations

from dataclasses import replace

from tether.decoding.request import Request
from tether.grammars.healing import num_unhealed
from tether.grammars.vocabulary import Vocabulary


def healed(request: Request, vocabulary: Vocabulary) -> Request:
    """The request with the last tokens of its prompt to be said again, where it asks for that.

    Only tokens that the prompts of all its views end with are taken off.
    """
    if not request.heal:
        return request
    prompts = [request.prompt, *request.prompts.values()]
    count = min(num_unhealed(vocabulary, prompt) for prompt in prompts)
    while count and len({prompt[-count:] for prompt in prompts}) > 1:
        count -= 1
    if not count:
        return request
    return replace(
        request,
        prompt=request.prompt[:-count],
        prompts={variant: prompt[:-count] for variant, prompt in request.prompts.items()},
        again=request.prompt[-count:],
    )
