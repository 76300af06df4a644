/** Every name of the wire protocol. Made by protocol/generate.py from the models; edits will be lost. */

export const PROTOCOL = 1;

/** @type {readonly import('./protocol.js').MethodName[]} */
export const METHODS = Object.freeze([
    'session.open',
    'session.close',
    'session.snapshot',
    'session.list',
    'journal.read',
    'clock.now',
    'clock.advance',
    'clock.run_until',
    'file.url',
    'speaker.capture.start',
    'speaker.capture.stop',
    'speaker.capture.describe',
    'speaker.capture.find',
    'device.list',
    'device.select',
    'innerAudioContext.create',
    'innerAudioContext.set',
    'innerAudioContext.play',
    'innerAudioContext.pause',
    'innerAudioContext.stop',
    'innerAudioContext.seek',
    'innerAudioContext.destroy',
    'setInnerAudioOption',
    'rpc.discover',
]);

/** @type {readonly import('./protocol.js').EventName[]} */
export const EVENTS = Object.freeze([
    'innerAudioContext.onCanplay',
    'innerAudioContext.onPlay',
    'innerAudioContext.onPause',
    'innerAudioContext.onStop',
    'innerAudioContext.onEnded',
    'innerAudioContext.onTimeUpdate',
    'innerAudioContext.onError',
    'innerAudioContext.onWaiting',
    'innerAudioContext.onSeeking',
    'innerAudioContext.onSeeked',
]);

/** @type {Readonly<import('./protocol.js').ErrorCodes>} */
export const ERRORS = Object.freeze({
    parseError: -32700,
    invalidRequest: -32600,
    methodNotFound: -32601,
    invalidParams: -32602,
    internalError: -32603,
    sessionRequired: -32001,
    forbidden: -32002,
    tooManyRequests: -32003,
    shuttingDown: -32004,
    illegalState: -32005,
    argumentError: 904,
    parameterError: 202,
    executionFailed: 1001,
    fileNotFound: 2001,
    audioSystemError: 10001,
    audioNetworkError: 10002,
    audioFileError: 10003,
    audioFormatError: 10004,
    audioUnknownError: -1,
});
