// An app that knows nothing of Spanledger: where its spans go, and what they say of it, is all in its environment.
package main

import (
	"context"
	"log"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"
)

func main() {
	ctx := context.Background()
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		log.Fatal(err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter))
	tracer := provider.Tracer("app")
	within, request := tracer.Start(ctx, "POST /chat", api.WithAttributes(attribute.String("user.id", "ada")))
	_, call := tracer.Start(within, "chat gpt-4o", api.WithAttributes(
		attribute.String("gen_ai.operation.name", "chat"),
		attribute.String("gen_ai.provider.name", "openai"),
		attribute.String("gen_ai.request.model", "gpt-4o"),
		attribute.Int("gen_ai.usage.input_tokens", 1000),
		attribute.Int("gen_ai.usage.output_tokens", 100),
	))
	call.End()
	request.End()
	if err := provider.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
}
