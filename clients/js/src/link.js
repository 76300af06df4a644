/** JSON-RPC 2.0 over one socket, from its handshake to its end. What happens after that is session.js's business. */
import {fromWire} from './errors.js';
import {complain} from './log.js';

const SUBPROTOCOL = 'swanbridge.v1';
/** Own close code: the peer sent a frame that is no JSON-RPC. */
const UNREADABLE = 4002;

/**
 * A call under way. `settle` is called once, synchronously while the answer is being read, so that what an answer
 * changes is in force before the next message is looked at.
 *
 * @typedef {object} Call
 * @property {string} method
 * @property {string} body the params as JSON
 * @property {boolean} repeatable may be sent again when nobody knows whether it arrived
 * @property {(error: Error | undefined, result?: any) => void} settle
 */

/**
 * How a socket ended.
 *
 * @typedef {{code: number, reason: string, wasOpen: boolean, message: string, status?: number}} Ending
 */

/**
 * What of a browser's WebSocket is used here; node_socket.js has it too.
 *
 * @typedef {object} Socket
 * @property {string} protocol
 * @property {((event: any) => void) | null} onopen
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} onerror
 * @property {((event: any) => void) | null} onclose
 * @property {(data: string) => void} send
 * @property {(code?: number, reason?: string) => void} close
 */

/** @typedef {new (url: string, protocols: string[]) => Socket} SocketClass */

export class Link {
    #socket;
    #handlers;
    #open = false;
    #ended = false;
    #next = 1;
    /** @type {Map<unknown, Call>} */
    #unanswered = new Map();
    /** @type {{message: string, status?: number}} */
    #trouble = {message: ''};

    /**
     * Begin to connect.
     *
     * @param {SocketClass} Socket
     * @param {{url: string, token: string | undefined}} address
     * @param {object} handlers
     * @param {() => void} handlers.onOpen
     * @param {(method: string, params: any) => void} handlers.onNotification
     * @param {(ending: Ending, unanswered: Call[]) => void} handlers.onLost once, last; nothing comes after it
     */
    constructor(Socket, {url, token}, handlers) {
        this.#handlers = handlers;
        const protocols = token === undefined ? [SUBPROTOCOL] : [SUBPROTOCOL, `bearer.${token}`];
        const socket = new Socket(url, protocols);
        this.#socket = socket;
        socket.onopen = () => {
            if (this.#ended) return;
            if (socket.protocol !== SUBPROTOCOL) {
                this.#trouble = {message: `what answered does not speak ${SUBPROTOCOL}`};
                this.end();
                return;
            }
            this.#open = true;
            handlers.onOpen();
        };
        socket.onmessage = event => this.#received(event.data);
        socket.onerror = event => {
            const {message = '', status} = event;
            this.#trouble = status === undefined ? {message} : {message, status};
        };
        socket.onclose = event => this.#lost(event.code, event.reason);
    }

    /** @param {Call} call */
    send(call) {
        const id = this.#next++;
        this.#unanswered.set(id, call);
        this.#socket.send(`{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(call.method)},"params":${call.body}}`);
    }

    /**
     * End it from our side; onLost follows at once, whatever the peer does.
     *
     * @param {number} [code] 1000, or 3000 to 4999: browsers let programs send no other
     */
    end(code = 1000) {
        this.#socket.close(code);
        this.#lost(code, '');
    }

    /**
     * @param {number} code
     * @param {string} reason
     */
    #lost(code, reason) {
        if (this.#ended) return;
        this.#ended = true;
        const unanswered = [...this.#unanswered.values()];
        this.#unanswered.clear();
        this.#handlers.onLost({code, reason, wasOpen: this.#open, ...this.#trouble}, unanswered);
    }

    /** @param {unknown} data one frame: a message, or an array of them */
    #received(data) {
        if (this.#ended) return;
        let messages;
        try {
            if (typeof data !== 'string') throw new TypeError('a binary frame');
            const frame = JSON.parse(data);
            messages = Array.isArray(frame) ? frame : [frame];
            if (!messages.every(message => typeof message === 'object' && message !== null)) {
                throw new TypeError('no JSON-RPC');
            }
        } catch (error) {
            complain(`the daemon sent what cannot be read: ${error}`);
            this.end(UNREADABLE);
            return;
        }
        for (const message of messages) {
            if (this.#ended) return;
            if (typeof message.method === 'string') this.#handlers.onNotification(message.method, message.params ?? {});
            else this.#answered(message);
        }
    }

    /** @param {any} message */
    #answered(message) {
        const call = this.#unanswered.get(message.id);
        if (!call) {
            // With id null the daemon tells that it could not read a request; there is no call to tell it to.
            if (message.error) complain(`the daemon refused a message: ${fromWire(message.error).errMsg}`);
            return;
        }
        this.#unanswered.delete(message.id);
        if (message.error) call.settle(fromWire(message.error));
        else call.settle(undefined, message.result);
    }
}
