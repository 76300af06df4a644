/** Errors a caller may see. */

/** An error of the daemon or of the argument check; `errCode` is swan's or JSON-RPC's number. */
export class SwanError extends Error {
    /**
     * @param {number} errCode
     * @param {string} errMsg
     * @param {{name?: string, detail?: unknown}} [extra]
     */
    constructor(errCode, errMsg, extra = {}) {
        super(errMsg);
        this.name = extra.name ?? 'SwanError';
        this.errCode = errCode;
        this.errMsg = errMsg;
        /** More about it, where the daemon gave more. */
        this.detail = extra.detail;
    }
}

/** The call's answer will never come: the socket was lost, or the session is closed. */
export class ConnectionLost extends SwanError {
    /**
     * @param {string} errMsg
     * @param {{status?: number}} [extra] the HTTP status that refused the socket, where it can be seen
     */
    constructor(errMsg, extra = {}) {
        super(1001, errMsg, {name: 'ConnectionLost'});
        this.status = extra.status;
    }
}

/**
 * Make an error of a JSON-RPC error object.
 *
 * @param {any} error `{code, message, data?: {name, errMsg, detail?}}`
 */
export function fromWire(error) {
    const {code, message, data} = error ?? {};
    const number = Number(code);
    return new SwanError(Number.isFinite(number) ? number : -1, String(data?.errMsg ?? message ?? 'unknown error'), {
        name: data?.name,
        detail: data?.detail,
    });
}
