"""A chat completion as it is asked for, in OpenAI's shape.

Types are checked strictly, and fields that are not known are passed over, as OpenAI-compatible
servers do: clients send what other servers know.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

MOST_MESSAGES: Final = 2_000
MOST_STOPS: Final = 16
MOST_TOOLS: Final = 64
MOST_COUNT: Final = 2**31 - 1


PICTURE: Final = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAIAQAAAADsdIMmAAAADklEQVR42mMIZVjFgIQBHpwD/XAVyZAAAAAASUVORK5CYII="
)
"""A small chequered one, for examples that can be sent as they are."""


class Given(BaseModel):
    """What comes from a client."""

    model_config = ConfigDict(strict=True, extra="allow", protected_namespaces=())


class TextPart(Given):
    """Words."""

    type: Literal["text"]
    text: str


class ImageUrl(Given):
    """Where a picture is."""

    url: str = Field(
        description="A data URI (`data:image/jpeg;base64,…`) of a JPEG, PNG, WebP or GIF, "
        "`sightdesk:ID` of a picture sent to /v1/images, or an https address, where the server "
        "may fetch such.",
        examples=[PICTURE],
    )
    detail: str | None = Field(None, description="Passed over: there is one resolution.")


class ImagePart(Given):
    """A picture."""

    type: Literal["image_url"]
    image_url: ImageUrl


class FileId(Given):
    """A picture that was sent to /v1/images."""

    file_id: str


class FilePart(Given):
    """A picture by its id, in the shape in which OpenAI names files."""

    type: Literal["file"]
    file: FileId


class ImageFilePart(Given):
    """A picture by its id, in the shape of OpenAI's assistants."""

    type: Literal["image_file"]
    image_file: FileId


class RefusalPart(Given):
    """What an assistant would not say."""

    type: Literal["refusal"]
    refusal: str


Part = Annotated[
    TextPart | ImagePart | FilePart | ImageFilePart | RefusalPart, Field(discriminator="type")
]


class CalledFunction(Given):
    """Name and arguments of a call, as JSON text."""

    name: str
    arguments: str


class ToolCall(Given):
    """A call that the assistant has made."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class SystemMessage(Given):
    """What the operator tells the model."""

    role: Literal["system", "developer"]
    content: str | list[Part]


class UserMessage(Given):
    """What a person says and shows."""

    role: Literal["user"]
    content: str | list[Part]


class AssistantMessage(Given):
    """What the model has said, or the tools that it has called."""

    role: Literal["assistant"]
    content: str | list[Part] | None = None
    tool_calls: list[ToolCall] | None = None


class ToolMessage(Given):
    """What a tool gave back."""

    role: Literal["tool"]
    content: str | list[Part]
    tool_call_id: str


Message = Annotated[
    SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")
]


class Function(Given):
    """A function that the model may call."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_.-]+$")
    description: str | None = None
    parameters: dict[str, Any] | None = Field(None, description="JSON schema of its arguments.")
    strict: bool | None = None


class Tool(Given):
    """A tool; calls always parse and fit its schema."""

    type: Literal["function"]
    function: Function


class FunctionName(Given):
    """A function by its name."""

    name: str


class NamedTool(Given):
    """A tool that must be called."""

    type: Literal["function"]
    function: FunctionName


class Allowed(Given):
    """Some of the tools, and whether one of them must be called."""

    mode: Literal["auto", "required"]
    tools: list[NamedTool]


class AllowedTools(Given):
    """A choice among some of the tools."""

    type: Literal["allowed_tools"]
    allowed_tools: Allowed


Choice = Annotated[NamedTool | AllowedTools, Field(discriminator="type")]


class JsonSchema(Given):
    """The form of an answer."""

    name: str = "answer"
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class TextFormat(Given):
    """Any words."""

    type: Literal["text"]


class JsonObjectFormat(Given):
    """Any JSON object."""

    type: Literal["json_object"]


class JsonSchemaFormat(Given):
    """JSON of a schema, which the answer cannot leave."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


Format = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]


class StreamOptions(Given):
    """How an answer streams."""

    include_usage: bool | None = Field(None, description="A last chunk tells the tokens.")


class AgentOptions(Given):
    """What only `sightdesk-agent` takes."""

    thread_id: str | None = Field(
        None,
        description="Goes on with a conversation, of which the last message is the next question. "
        "Without it, the messages given are the conversation.",
    )
    events: bool | None = Field(
        None, description="Stream what the agent does, too: deltas with `sightdesk.event`."
    )


class ChatRequest(Given):
    """What is asked of /v1/chat/completions."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "embedded",
                    "messages": [
                        {
                            "role": "user",
                            "content": [
                                {"type": "text", "text": "What is this?"},
                                {
                                    "type": "image_url",
                                    "image_url": {"url": PICTURE},
                                },
                            ],
                        }
                    ],
                    "max_tokens": 64,
                }
            ]
        }
    )

    model: str = Field(description="One of /v1/models.", examples=["embedded", "sightdesk-agent"])
    messages: list[Message] = Field(min_length=1, max_length=MOST_MESSAGES)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(None, ge=0, le=2, description="0, the default, is greedy.")
    top_p: float | None = Field(None, ge=0, le=1)
    max_tokens: int | None = Field(None, ge=1, le=MOST_COUNT)
    max_completion_tokens: int | None = Field(
        None, ge=1, le=MOST_COUNT, description="Goes before `max_tokens`."
    )
    stop: str | list[str] | None = None
    seed: int | None = Field(None, ge=-(2**63), le=2**63 - 1)
    n: int | None = Field(None, description="1: an answer is one.")
    tools: list[Tool] | None = Field(None, max_length=MOST_TOOLS)
    tool_choice: Literal["auto", "none", "required"] | Choice | None = None
    parallel_tool_calls: bool | None = Field(None, description="Passed over: one call at a time.")
    response_format: Format | None = None
    logprobs: bool | None = Field(None, description="Passed over.")
    top_logprobs: int | None = Field(None, ge=0, le=20, description="Passed over.")
    frequency_penalty: float | None = Field(None, ge=-2, le=2, description="Passed over.")
    presence_penalty: float | None = Field(None, ge=-2, le=2, description="Passed over.")
    logit_bias: dict[str, float] | None = Field(None, description="Passed over.")
    user: str | None = None
    metadata: dict[str, Any] | None = Field(
        None, description="`thread_id` in it is the same as `sightdesk.thread_id`."
    )
    sightdesk: AgentOptions | None = None
