import { saidIdentity, type SaidIdentity } from '../said-identity.ts'
import type { DialectCall } from './dialect.ts'
import { milliseconds } from './genai-call.ts'
import { nothingSaid } from './nothing-said.ts'

/** A call of a coding agent without what it says: the agents' dialects fill in the rest. */
export const agentCall: DialectCall = { ...nothingSaid, streamed: true }

type Attributes = Readonly<Record<string, unknown>>

/** Names that the SDK, the host and the agents themselves put into a resource. */
const notOfTheTeam = /^(?:service|telemetry|host|os|process|container|k8s|cloud|device|wsl|webengine|faas|user|session)\./

/**
 * Who sits before an agent: the mail address, else the account, else the installation (`user.id` of Claude Code is a number of
 * the machine, not of a person). What a team adds to the resource (`OTEL_RESOURCE_ATTRIBUTES=team=core`) are properties.
 */
export function agentIdentity(attributes: Attributes, resource: Attributes, own: readonly string[] = []): SaidIdentity {
  const said = saidIdentity(attributes)
  return {
    user:
      attributes['user.email'] ??
      attributes['user.account_uuid'] ??
      attributes['user.account_id'] ??
      said.user ??
      attributes['installation.id'],
    session: attributes['session.id'] ?? attributes['conversation.id'] ?? said.session,
    properties: agentProperties(attributes, resource, { said, own }),
  }
}

function agentProperties(
  attributes: Attributes,
  resource: Attributes,
  { said, own }: { said: SaidIdentity; own: readonly string[] },
): SaidIdentity['properties'] {
  const pairs: [string, unknown][] = []
  for (const name of Object.keys(resource)) if (!notOfTheTeam.test(name)) pairs.push([name.replace(/^property\./, ''), resource[name]])
  for (const name of own) if (attributes[name] !== undefined) pairs.push([name, attributes[name]])
  return [...pairs, ...said.properties]
}

/** Milliseconds as a number, or as text: Claude Code writes all its attributes as text. */
export function readMilliseconds(value: unknown): number | undefined {
  return milliseconds(typeof value === 'string' && /^\d{1,12}(?:\.\d{1,9})?$/.test(value) ? Number(value) : value)
}
