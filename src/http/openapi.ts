/** OpenAPI 3.1, made from the schemas that validate requests and that tests hold answers to. */
import { toJsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";
import { SERVICE_LIMITS } from "../core/limits.ts";
import { MANIFEST_SCHEMA } from "../core/manifestFields.ts";
import { runBodySchema } from "./jsonJob.ts";
import {
  environmentsSchema,
  errorSchema,
  healthSchema,
  logsSchema,
  outputsSchema,
  resultSchema,
  serviceSchema,
  statsSchema,
  statusSchema,
  streamCommandSchema,
  streamFrameSchema,
  submittedSchema,
} from "./schemas.ts";

type Json = Record<string, unknown>;

const SCHEMAS = {
  Job: runBodySchema,
  Manifest: MANIFEST_SCHEMA,
  Result: resultSchema,
  Submitted: submittedSchema,
  Status: statusSchema,
  Logs: logsSchema,
  StreamFrame: streamFrameSchema,
  StreamCommand: streamCommandSchema,
  Outputs: outputsSchema,
  Environments: environmentsSchema,
  Stats: statsSchema,
  Health: healthSchema,
  Service: serviceSchema,
  Error: errorSchema,
} satisfies Record<string, v.GenericSchema>;

type SchemaName = keyof typeof SCHEMAS;

export function openApi(version: string): Json {
  return {
    openapi: "3.1.0",
    info: {
      title: "Sandrun",
      version,
      description: "Runs a stranger's code in a box, gives back what it printed, and forgets it.",
    },
    paths: {
      "/run": { post: runOperation() },
      "/submit": { post: submitOperation() },
      "/status/{id}": { get: statusOperation() },
      "/logs/{id}": { get: logsOperation() },
      "/logs/{id}/stream": { get: streamOperation() },
      "/outputs/{id}": {
        get: jobOperation("Output files of an ended job", { 200: json("Outputs") }),
      },
      "/download/{id}": {
        get: jobOperation("All output files as tar.gz; then the job is destroyed", {
          200: content("application/gzip"),
        }),
      },
      "/download/{id}/{path}": { get: downloadOneOperation() },
      "/jobs/{id}": {
        delete: jobOperation("Cancel the job and destroy all of it", {
          204: { description: "It is gone." },
        }),
      },
      "/environments": { get: operation("What jobs can name", { 200: json("Environments") }) },
      "/stats": { get: operation("Your share and the queue", { 200: json("Stats") }) },
      "/health": {
        get: operation("Whether boxes can be built", { 200: json("Health"), 503: json("Health") }),
      },
      "/": { get: operation("What this is", { 200: json("Service") }) },
    },
    components: { schemas: componentSchemas() },
  };
}

function componentSchemas(): Json {
  return Object.fromEntries(
    Object.entries(SCHEMAS).map(([name, schema]) => {
      // Checks that JSON Schema cannot say (bytes of UTF-8, patterns that compile) are left out.
      const { $schema: _, ...rest } = toJsonSchema(schema, { errorMode: "ignore" });
      return [name, rest];
    }),
  );
}

function waitParameter(description: string, usual: number): Json {
  const { least, most } = SERVICE_LIMITS.runWaitSeconds;
  const schema = { type: "number", minimum: least, maximum: most, default: usual };
  return { name: "wait", in: "query", description, schema };
}

function runOperation(): Json {
  const wait = waitParameter(
    "Seconds after which an unfinished job is answered with 202 and goes on.",
    SERVICE_LIMITS.runWaitSeconds.usual,
  );
  const interpreter = {
    name: "interpreter",
    in: "query",
    description: "For text/plain; so are the manifest's other fields.",
    schema: { type: "string", default: "python3" },
  };
  return {
    ...operation("Run code and wait for its end", {
      200: {
        description: "It ran, however it ended.",
        headers: RESULT_HEADERS,
        content: { ...json("Result").content, "text/plain": { schema: { type: "string" } } },
      },
      202: json("Status"),
    }),
    parameters: [wait, interpreter],
    requestBody: {
      required: true,
      content: { "text/plain": { schema: { type: "string" } }, ...jobBodies() },
    },
  };
}

function submitOperation(): Json {
  return {
    ...operation("Queue a job", { 202: json("Submitted") }),
    requestBody: { required: true, content: jobBodies() },
  };
}

function logsOperation(): Json {
  const logs = jobOperation("What a job printed so far, or live", {
    101: {
      description:
        "A WebSocket, for who asks for one: every message from us is a StreamFrame, every message " +
        "to us a StreamCommand. The last frame is the end.",
    },
    200: {
      description:
        "Both streams; as they came for text/plain; for text/event-stream live, each event the " +
        "JSON of a StreamFrame.",
      content: {
        ...json("Logs").content,
        "text/plain": { schema: { type: "string" } },
        "text/event-stream": { schema: reference("StreamFrame") },
      },
    },
    204: { description: "The reader has the end already (event stream only)." },
  });
  return { ...logs, parameters: [ID_PARAMETER, FROM_PARAMETER] };
}

function streamOperation(): Json {
  return {
    ...jobOperation("A job live: a WebSocket, else an event stream", {
      101: { description: "As at /logs/{id}." },
      200: {
        description: "As at /logs/{id}.",
        content: { "text/event-stream": { schema: reference("StreamFrame") } },
      },
    }),
    parameters: [ID_PARAMETER, FROM_PARAMETER],
  };
}

function statusOperation(): Json {
  const one = jobOperation("How a job stands", { 200: json("Status") });
  const wait = waitParameter("Seconds to wait for its end before the answer.", 0);
  return { ...one, parameters: [ID_PARAMETER, wait] };
}

function downloadOneOperation(): Json {
  const one = jobOperation("One output file", { 200: content("application/octet-stream") });
  const path = { name: "path", in: "path", required: true, schema: { type: "string" } };
  return { ...one, parameters: [ID_PARAMETER, path] };
}

const ID_PARAMETER = {
  name: "id",
  in: "path",
  required: true,
  description: "The only right to the job.",
  schema: { type: "string", format: "uuid" },
};

const FROM_PARAMETER = {
  name: "from",
  in: "query",
  description: "Live only: goes on after the frame of this number; as does Last-Event-ID.",
  schema: { type: "integer", minimum: 0 },
};

const RESULT_HEADERS = Object.fromEntries(
  ["Sandrun-Job-Id", "Sandrun-Outcome", "Sandrun-Exit-Code", "Sandrun-Truncated"].map((name) => [
    name,
    { schema: { type: "string" } },
  ]),
);

/** What both `/run` and `/submit` take. */
function jobBodies(): Json {
  const binary = { type: "string", contentMediaType: "application/octet-stream" };
  return {
    "application/json": { schema: reference("Job") },
    "multipart/form-data": {
      schema: {
        type: "object",
        properties: {
          files: { type: "array", items: binary },
          manifest: reference("Manifest"),
        },
      },
    },
  };
}

function operation(summary: string, responses: Record<number, Json>): Json {
  return { summary, responses: { ...responses, default: json("Error") } };
}

function jobOperation(summary: string, responses: Record<number, Json>): Json {
  return { ...operation(summary, responses), parameters: [ID_PARAMETER] };
}

function json(name: SchemaName): { description: string; content: Json } {
  return {
    description: name,
    content: { "application/json": { schema: reference(name) } },
  };
}

function content(mediaType: string): Json {
  const schema = { type: "string", contentMediaType: mediaType };
  return { description: "The bytes.", content: { [mediaType]: { schema } } };
}

function reference(name: SchemaName): Json {
  return { $ref: `#/components/schemas/${name}` };
}
