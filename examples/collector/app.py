"""An app that knows nothing of Spanledger: where its spans go, and what they say of it, is all in its environment.

Run by `opentelemetry-instrument python app.py`, which sets the SDK up.
"""

from opentelemetry import trace

tracer = trace.get_tracer("app")
with tracer.start_as_current_span("POST /chat", attributes={"user.id": "ada"}):
    call = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
    }
    tracer.start_span("chat gpt-4o", attributes=call).end()
