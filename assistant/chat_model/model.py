"""`ChatLlava`: the engine as one of LangChain's chat models."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from operator import itemgetter
from typing import Any, Final, Literal

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput, ModelProfile
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
)
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import ConfigDict, Field, PrivateAttr

from assistant.adapter_files import find_adapter, is_number
from assistant.chat_model import grammars, plain_form
from assistant.chat_model.desk_form import UNASKED_FROM, UNKNOWN_FROM, DeskForm, Told
from assistant.chat_model.grammars import ToolSpec
from assistant.chat_model.reading import LoadImage, Read, read, unaliased
from assistant.chat_model.writing import Written, last_chunk
from assistant.engine.constrained import Constraint
from assistant.engine.values import Sampling, Turn
from assistant.errors import AdapterError, InputError, WeightsError
from assistant.images import LoadedImage
from assistant.settings import Settings, get_settings

AGENT_ADAPTER: Final = "agent"
"""The adapter that the embedded model runs the desk with."""

MOST_TOOLS: Final = 64


class ChatLlava(BaseChatModel):
    """A LLaVA of this engine, the embedded one or any other, as a chat model.

    Pictures are content blocks: image ids, base64 or data URIs. Tools are any that LangChain takes;
    a call always parses, and names a tool and a picture that are there. Letting go of a stream
    stops the model at its next token.

    The embedded base is asked as the adapter `agent` was trained to (`desk_form`), where that is
    installed and there are tools; every other model by its own chat template.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, populate_by_name=True)

    engine: Any = Field(default=None, exclude=True, repr=False)
    """An engine, or a callable that gives one; None: it is loaded by the names below."""

    base: str | None = Field(default=None, alias="model")
    """`embedded`, a directory or a hub id; by default that of the settings."""

    adapter: str | None = None
    """Who answers about pictures; by default the engine's own."""

    agent_adapter: str | None = AGENT_ADAPTER
    """Who decides at the desk; where it is not installed, `form` "auto" means "chat"."""

    form: Literal["auto", "desk", "chat"] = "auto"
    """How a model with tools is asked."""

    load_image: LoadImage | None = Field(default=None, exclude=True, repr=False)
    """Gives the picture of an image id in a message."""

    tenant: str = ""
    """Whose caches are used."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: list[str] | None = Field(default=None, alias="stop_sequences")
    unknown_from: float | None = None
    """Doubt from which nothing is answered; by default the agent adapter's own."""

    settings: Settings | None = Field(default=None, exclude=True, repr=False)

    _loaded: Any = PrivateAttr(default=None)
    _thresholds: tuple[float, float] | None = PrivateAttr(default=None)
    _guard: Any = PrivateAttr(default_factory=threading.Lock)

    # --- what LangChain asks of a model

    @property
    def _llm_type(self) -> str:
        return "sightdesk"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "model": self.base or "embedded",
            "adapter": self.adapter,
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
        }

    def _resolve_model_profile(self) -> ModelProfile | None:
        return ModelProfile(
            # SmolLM2's; another base has its own.
            max_input_tokens=8_192,
            text_inputs=True,
            image_inputs=True,
            image_url_inputs=False,
            text_outputs=True,
            tool_calling=True,
            structured_output=True,
        )

    def loaded_engine(self) -> Any:
        """The engine, loaded if it was not.

        Raises:
            SightdeskError: it cannot be loaded.
        """
        with self._guard:
            if self._loaded is None:
                given = self.engine
                if given is None:
                    from assistant.engine import Engine

                    given = Engine.load(self.base, self.adapter, settings=self.settings)
                elif not hasattr(given, "stream"):
                    given = given()
                self._loaded = given
            return self._loaded

    def uses_desk_form(self) -> bool:
        """Whether tools are offered in the desk's own form."""
        if self.form != "auto":
            return self.form == "desk"
        engine = self.loaded_engine()
        if engine.name != "embedded" or self.agent_adapter is None:
            return False
        try:
            engine.resolve(self.agent_adapter)
        except (AdapterError, WeightsError):
            return False
        return True

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """This model with tools.

        Args:
            tool_choice: ``auto`` (the default), ``any``, ``none``, or a tool's name.

        Raises:
            InputError: too many tools, or a choice that is none of them.
        """
        formatted = [grammars.as_function(tool) for tool in tools]
        if len(formatted) > MOST_TOOLS:
            raise InputError(f"There are {len(formatted)} tools; give {MOST_TOOLS} at most.")
        choice = _choice(tool_choice, [tool["function"]["name"] for tool in formatted])
        return self.bind(tools=formatted, tool_choice=choice, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        method: Literal["json_schema", "function_calling", "json_mode"] = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """This model answering in JSON of a schema, which it cannot leave.

        Args:
            method: ``json_schema`` or ``json_mode`` hold the answer itself to the schema,
                ``function_calling`` the arguments of a call.
        """
        if kwargs:
            raise ValueError(f"with_structured_output does not take {', '.join(kwargs)}.")
        if method == "function_calling":
            return super().with_structured_output(schema, include_raw=include_raw)
        as_json = convert_to_json_schema(schema)
        llm = self.bind(
            response_schema=as_json,
            ls_structured_output_format={"kwargs": {"method": method}, "schema": as_json},
        )
        parser: Runnable[Any, Any] = JsonOutputParser()
        if isinstance(schema, type) and is_basemodel_subclass(schema):
            parser = PydanticOutputParser(pydantic_object=schema)
        if not include_raw:
            return llm | parser
        parsed = RunnablePassthrough.assign(
            parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
        )
        failed = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=llm) | parsed.with_fallbacks([failed], exception_key="parsing_error")

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        written = Written()
        name = f"lc_run--{run_manager.run_id}" if run_manager is not None else None
        for piece in self._pieces(messages, stop, written, kwargs):
            # Whoever checks the sentences as they come must know before the first one.
            early = {"sure": True} if written.sure else {}
            written.sure = False
            chunk = ChatGenerationChunk(
                message=AIMessageChunk(content=piece, id=name, response_metadata=early)
            )
            if run_manager is not None:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
        last = ChatGenerationChunk(message=last_chunk(written, self._identifying_params, name))
        if run_manager is not None:
            run_manager.on_llm_new_token("", chunk=last)
        yield last

    # --- how the engine is asked

    def _pieces(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        written: Written,
        options: Mapping[str, Any],
    ) -> Iterator[str]:
        conversation = read(messages, self.settings)
        tools = tuple(ToolSpec.of(tool) for tool in options.get("tools") or ())
        choice = str(options.get("tool_choice") or "auto")
        sampling = self._sampling(stop, options)
        if tools and self.uses_desk_form():
            yield from self._desk(messages, conversation, tools, choice, sampling, written)
            return
        schema = options.get("response_schema")
        if choice == "none":
            tools = ()
        elif choice not in ("auto", "any"):
            tools = tuple(spec for spec in tools if spec.name == choice)
        photos = tuple(f"photo {at}" for at in range(1, len(conversation.photos) + 1))
        constraint = grammars.json_object(schema) if schema is not None else None
        if tools and constraint is None:
            constraint = grammars.hermes(tools, photos, must=choice != "auto")
        turns = plain_form.turns_of(conversation, tools)
        yield from self._plain(turns, conversation, constraint, sampling, written, tools)

    def _desk(
        self,
        messages: list[BaseMessage],
        conversation: Read,
        tools: tuple[ToolSpec, ...],
        choice: str,
        sampling: Sampling,
        written: Written,
    ) -> Iterator[str]:
        unknown_from, unasked_from = self._release()
        form = DeskForm(
            self.loaded_engine(),
            self.agent_adapter,
            self.tenant,
            sampling,
            unknown_from,
            unasked_from,
        )
        told = Told()
        for piece in form.step(messages, conversation, tools, told, choice=choice):
            written.sure = told.sure and not written.text
            written.text += piece
            yield piece
        written.answers = told.answers
        written.about = {"form": told.form, "doubt": told.doubt}
        if told.call is not None:
            written.calls.append((told.call.name, told.call.arguments))
        if told.broken is not None:
            written.broken.append(told.broken)

    def _release(self) -> tuple[float, float]:
        """The thresholds of doubt: given, else the adapter's, else those for any."""
        if self._thresholds is None:
            own: Any = {}
            if self.agent_adapter is not None:
                with suppress(AdapterError):
                    files = find_adapter(self.agent_adapter, self.settings or get_settings())
                    own = files.about.get("release") or {}
            self._thresholds = (
                _chance(own.get("unknown_from"), UNKNOWN_FROM),
                _chance(own.get("unasked_from"), UNASKED_FROM),
            )
        unknown_from, unasked_from = self._thresholds
        if self.unknown_from is not None:
            return self.unknown_from, min(unasked_from, self.unknown_from)
        return unknown_from, unasked_from

    def _plain(
        self,
        turns: list[Turn],
        conversation: Read,
        constraint: Constraint | None,
        sampling: Sampling,
        written: Written,
        tools: tuple[ToolSpec, ...],
    ) -> Iterator[str]:
        engine = self.loaded_engine()
        pictures = self._pictures(conversation)
        images = engine.encode_images(
            list(pictures.values()), tenant=self.tenant, adapter=self.adapter
        )
        # A message may name a picture by another id than that of its pixels.
        turns = [
            replace(turn, images=tuple(pictures[id].id for id in turn.images)) for turn in turns
        ]
        held = ""
        with engine.stream(
            turns,
            images,
            sampling=sampling,
            tenant=self.tenant,
            adapter=self.adapter,
            constraint=constraint,
        ) as stream:
            for piece in stream:
                written.text += piece
                # What may become a call is none of the reader's business.
                held += piece
                start = written.text[: len(plain_form.OPEN)]
                if tools and plain_form.OPEN.startswith(start):
                    continue
                yield held
                held = ""
        if stream.answer is not None:
            written.answers.append(stream.answer)
        call = plain_form.called(written.text) if tools else None
        if call is not None:
            name, arguments = call
            spec = next((spec for spec in tools if spec.name == name), None)
            names = spec.images() if spec is not None else set()
            known = arguments if isinstance(arguments, dict) else {}
            written.calls.append((name, unaliased(known, names, conversation.photos)))
            written.text = ""
        elif tools and written.text.startswith(plain_form.OPEN):
            written.broken.append(written.text)
            written.text = ""
        elif held:
            yield held

    def _pictures(self, conversation: Read) -> dict[str, LoadedImage]:
        """The pictures of a conversation by what its messages call them."""
        found = {}
        for image in conversation.photos:
            picture = conversation.loaded.get(image)
            if picture is None and self.load_image is None:
                raise InputError(
                    f"The picture {image[:16]} is named by its id, and nothing here can open it; "
                    "give ChatLlava a load_image, or the picture in base64."
                )
            found[image] = picture or self.load_image(image)  # type: ignore[misc]
        return found

    def _sampling(self, stop: list[str] | None, options: Mapping[str, Any]) -> Sampling:
        def chosen(name: str) -> Any:
            given = options.get(name)
            return getattr(self, name) if given is None else given

        return Sampling(
            max_tokens=chosen("max_tokens"),
            temperature=chosen("temperature"),
            top_p=chosen("top_p"),
            seed=chosen("seed"),
            stop=tuple(stop or self.stop or ()),
        )


def _chance(value: Any, default: float) -> float:
    """A threshold that an adapter's file gives, if it is one."""
    return float(value) if is_number(value) and 0 <= value <= 1.01 else default


def _choice(given: str | dict[str, Any] | bool | None, names: Sequence[str]) -> str:
    """A tool choice in any of the shapes that are about, as `ChatLlava` keeps it."""
    if given is None or given is False:
        return "auto"
    if isinstance(given, dict):
        given = str(given.get("function", given).get("name", ""))
    if given is True or given == "required":
        given = "any"
    if given not in ("auto", "any", "none", *names):
        raise InputError(
            f"There is no tool {str(given)[:40]!r} to choose; give one of: {', '.join(names)}."
        )
    return given
