"""`ChatLlava`: the engine as one of LangChain's chat models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from assistant.chat_model import asking, grammars, structured
from assistant.chat_model.aside import Leash, Leashed, taken
from assistant.chat_model.desk_form import DeskForm
from assistant.chat_model.grammars import ToolSpec
from assistant.chat_model.options import check_names, sampling, tool_choice_of
from assistant.chat_model.profile import profile_of, room_of
from assistant.chat_model.reading import LoadImage, Read, read
from assistant.chat_model.remembering import Remembering, opened
from assistant.chat_model.voices import AGENT_ADAPTER, Voice, Voices
from assistant.chat_model.writing import Written, last_chunk
from assistant.errors import InputError
from assistant.images import LoadedImage
from assistant.settings import Settings, get_settings

MOST_TOOLS: Final = 64


class ChatLlava(Remembering):
    """A LLaVA of this engine, the embedded one or any other, as a chat model.

    Pictures are content blocks: image ids, base64 or data URIs; documents such as PDFs are read.
    Tools are any that LangChain takes; a call always parses, and names a tool and a picture that
    are there. Letting go of a stream, or cancelling a task, stops the model at its next token.

    Models that are made without an engine share one in this process. With the tools of a desk
    (`assistant.build_tools`), the pictures of messages are kept in its store, where the tools find
    them.

    The embedded base is asked as the adapter `agent` was trained to (`desk_form`), where that is
    installed and there are tools; every other model by its own chat template.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, populate_by_name=True)

    engine: Any = Field(default=None, exclude=True, repr=False)
    """An engine, or a callable that gives one; None: it is loaded by the names below."""

    base: str | None = Field(default=None, alias="model")
    """`embedded`, a directory, a hub id or an adapter's name; by default that of the settings."""

    adapter: str | None = None
    """Who answers about pictures; by default the engine's own."""

    agent_adapter: str | None = AGENT_ADAPTER
    """Who decides at the desk, by default that of the settings; where it is not installed, or None,
    `form` "auto" means "chat"."""

    form: Literal["auto", "desk", "chat"] = "auto"
    """How a model with tools is asked."""

    desk: Any = Field(default=None, exclude=True, repr=False)
    """A desk (`assistant.tools.Desk`): its engine, pictures, tenant and settings where none are
    given; by default that of the tools."""

    load_image: LoadImage | None = Field(default=None, exclude=True, repr=False)
    """Gives the picture of an image id in a message."""

    tenant: str = ""
    """Whose caches are used, of pictures, prompts and answers."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: list[str] | None = Field(default=None, alias="stop_sequences")
    streaming: bool = False
    """Whether `invoke` tells callbacks of each piece."""

    unknown_from: float | None = None
    """Doubt from which nothing is answered; by default the agent adapter's own."""

    settings: Settings | None = Field(default=None, exclude=True, repr=False)

    _voices: Voices = PrivateAttr(default_factory=Voices)

    # --- what LangChain asks of a model

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, given: Any) -> Any:
        """Refuse a misspelt option, which would be passed over."""
        check_names(given, cls.model_fields)
        return given

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Its names and numbers are written out; an engine, a desk and callables are not."""
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Where `langchain_core.load.load` finds it."""
        return ["assistant", "chat_model"]

    @property
    def _llm_type(self) -> str:
        return "sightdesk"

    @property
    def model_name(self) -> str:
        """The base as it was named, else as the engine or the settings call it."""
        loaded = self._voices.known(self.engine)
        return self.base or (loaded.name if loaded is not None else self._settings.base)

    @property
    def _settings(self) -> Settings:
        return self.settings or getattr(self.desk, "settings", None) or get_settings()

    @property
    def _agent_adapter(self) -> str | None:
        given = "agent_adapter" in self.model_fields_set
        return self.agent_adapter if given else self._settings.agent_adapter

    @property
    def _tenant(self) -> str:
        return self.tenant or getattr(self.desk, "tenant", "")

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {
            "model": self.model_name,
            "adapter": self.adapter,
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
        }

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        params["ls_provider"] = self._llm_type
        return params

    def _resolve_model_profile(self) -> ModelProfile | None:
        return profile_of(
            self.base or self._settings.base, self._voices.known(self.engine), self._settings
        )

    def loaded_engine(self) -> Any:
        """The engine, loaded if it was not.

        Raises:
            SightdeskError: it cannot be loaded.
        """
        return self._voice({}).engine

    def uses_desk_form(self) -> bool:
        """Whether tools are offered in the desk's own form."""
        return self._at_desk(self._voice({}))

    def share_tools(self, tools: Sequence[Any]) -> None:
        """Let all tenants have what is computed of the desk's instructions with tools in common.

        The engine, which need not be there yet, is told with the first question; see
        `assistant.engine.Engine.share_beginning`.

        Args:
            tools: the product's own, in the order in which they are offered.
        """
        self._voices.share_desk([ToolSpec.of(grammars.as_function(tool)).line for tool in tools])

    def get_token_ids(self, text: str) -> list[int]:
        """The tokens of a text as the model reads it.

        Raises:
            SightdeskError: the engine cannot be loaded.
        """
        return self._voice({}).token_ids(text)

    def get_num_tokens_from_messages(
        self,
        messages: list[BaseMessage],
        tools: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> int:
        """Tokens of a conversation as the model reads it by its own template, pictures included."""
        options = {"tools": [grammars.as_function(tool) for tool in tools or ()], **kwargs}
        request, voice = self._request(messages, None, options), self._voice(options)
        return asking.length(
            request, voice.engine, lambda: self._pictures(request.conversation),
            tenant=self._tenant, adapter=voice.adapter,
        )  # fmt: skip

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
        choice = tool_choice_of(tool_choice, [tool["function"]["name"] for tool in formatted])
        desk = next((found for tool in tools if (found := getattr(tool, "desk", None))), None)
        model = self if self.desk or desk is None else self.model_copy(update={"desk": desk})
        return model.bind(tools=formatted, tool_choice=choice, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        method: Literal["json_schema", "function_calling", "json_mode"] = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """This model answering in JSON of a schema, which it cannot leave.

        Args:
            schema: a Pydantic class, a TypedDict or a JSON schema; None, for ``json_mode``: any
                object.
            method: ``json_schema`` or ``json_mode`` hold the answer itself to the schema,
                ``function_calling`` the arguments of a call.
            include_raw: give the message too, and what was wrong with it.
            strict: an answer is always strict.

        Raises:
            InputError: the schema is none.
        """
        if kwargs:
            raise ValueError(f"with_structured_output does not take {', '.join(kwargs)}.")
        if method not in ("json_schema", "function_calling", "json_mode"):
            raise InputError(
                f"There is no method {str(method)[:40]!r}; give json_schema, function_calling or "
                "json_mode."
            )
        if schema is None and method != "json_mode":
            raise InputError(f"The method {method} needs a schema; give one, or use json_mode.")
        if method == "function_calling":
            assert schema is not None
            return super().with_structured_output(schema, include_raw=include_raw)
        as_json = structured.json_schema(schema)
        llm = self.bind(
            response_schema=as_json,
            ls_structured_output_format={"kwargs": {"method": method}, "schema": as_json},
        )
        return structured.parsed(llm, schema, include_raw=include_raw)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, **kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in self._chunks(messages, stop, kwargs, None):
            if run_manager is not None:
                run_manager.on_llm_new_token(str(chunk.text), chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async for chunk in taken(lambda leash: self._chunks(messages, stop, kwargs, leash)):
            if run_manager is not None:
                await run_manager.on_llm_new_token(str(chunk.text), chunk=chunk)
            yield chunk

    # --- how the engine is asked

    def _chunks(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        options: Mapping[str, Any],
        leash: Leash | None,
    ) -> Iterator[ChatGenerationChunk]:
        """The answer in pieces; a last one without words says what came of it."""
        written = Written()
        voice = self._voice(options)
        request = self._request(messages, stop, options)
        for piece in self._pieces(request, voice, written, leash):
            # Whoever checks the sentences as they come must know before the first one.
            early = {"sure": True} if written.sure else {}
            written.sure = False
            yield ChatGenerationChunk(
                message=AIMessageChunk(content=piece, response_metadata=early)
            )
        yield ChatGenerationChunk(message=last_chunk(written, {"model": voice.name}, None))

    def _request(
        self, messages: list[BaseMessage], stop: list[str] | None, options: Mapping[str, Any]
    ) -> asking.Request:
        tools = tuple(ToolSpec.of(tool) for tool in options.get("tools") or ())
        schema = structured.wanted_form(options)
        return asking.Request(
            messages,
            read(messages, self._settings),
            tools,
            str(options.get("tool_choice") or "auto"),
            schema,
            sampling(self, stop, options, formed=schema is not None or bool(tools)),
        )

    def _pieces(
        self, request: asking.Request, voice: Voice, written: Written, leash: Leash | None
    ) -> Iterator[str]:
        engine: Any = voice.engine if leash is None else Leashed(voice.engine, leash)
        if request.tools and self.desk is not None:
            for image in request.conversation.loaded.values():
                self.desk.keep_image(image)
        if request.tools and request.schema is None and self._at_desk(voice):
            decides = self._agent_adapter
            doubts = self._voices.doubts(decides, self.unknown_from, self._settings)
            self._voices.tell_desk(voice.engine, decides)
            form = DeskForm(engine, decides, self._tenant, request.sampling, *doubts)
            return asking.at_the_desk(request, form, written, self._settings)
        return asking.by_template(
            request,
            engine,
            lambda: self._pictures(request.conversation),
            written,
            tenant=self._tenant,
            adapter=voice.adapter,
            room=room_of(voice.name, voice.engine),
        )

    def _voice(self, options: Mapping[str, Any]) -> Voice:
        """Who answers a call: this model, or the one that the call names."""
        given = self.engine
        if given is None and self.base is None and getattr(self.desk, "engine", None) is not None:
            given = self.desk.loaded_engine
        settings = self._settings

        def own() -> Voice:
            return self._voices.own(given, self.base, self.adapter, settings)

        other = options.get("model")
        if other is None or other == self.base:
            return own()
        return self._voices.other(given, own, str(other), settings)

    def _at_desk(self, voice: Voice) -> bool:
        return self.form == "desk" or (
            self.form == "auto" and voice.runs_desk_with(self._agent_adapter)
        )

    def _load(self, image: str) -> LoadedImage | None:
        """The picture of an id; None where nothing here can open it."""
        known = opened(image)
        if known is not None:
            return known
        load = self.load_image or getattr(self.desk, "load_image", None)
        return load(image) if load is not None else None

    def _pictures(self, conversation: Read) -> dict[str, LoadedImage]:
        """The pictures of a conversation by what its messages call them."""
        found = {}
        for image in conversation.photos:
            picture = conversation.loaded.get(image) or self._load(image)
            if picture is None:
                raise InputError(
                    f"The picture {image[:16]} is named by its id, and nothing here can open it; "
                    "give ChatLlava a load_image, or the picture in base64."
                )
            found[image] = picture
        return found
