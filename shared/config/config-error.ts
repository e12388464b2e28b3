// A configuration that cannot be used: the message names the option, its value and what it may be.

export class ConfigError extends Error {
  readonly code: "missing" | "not-yaml" | "bad-option";
  readonly hint: string | undefined;
  constructor(code: ConfigError["code"], message: string, options: ErrorOptions & { hint?: string } = {}) {
    super(message, options);
    this.name = "ConfigError";
    this.code = code;
    this.hint = options.hint;
  }
}
