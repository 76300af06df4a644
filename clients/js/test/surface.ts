/** No test to run: it holds, or `tsc` fails. Our sources and Baidu's typings against public.d.ts. */
import * as sources from '../src/index.js';
import type * as promised from '../src/public.js';

export const wholeModule: typeof promised = sources;

declare const ours: promised.Swan;

// DefinitelyTyped hands an error to every audio listener, onPlay's too. Their names are checked, the rest whole.
type Theirs = ReturnType<typeof swan.createInnerAudioContext>;
type Listening = Extract<keyof Theirs, `on${string}` | `off${string}`>;
export const creates: () => Omit<Theirs, Listening> & Record<Listening, Function> = ours.createInnerAudioContext;

const audio = ours.createInnerAudioContext();
audio.src = '/t.mp3';
audio.onTimeUpdate(event => [event.currentTime.toFixed(6), event.data.duration]);
audio.onError(({errCode, data: {errMsg}}) => [errCode, errMsg]);
audio.seek(10);
audio.seek({position: 10});
// @ts-expect-error read-only
audio.duration = 1;

export const nothing: void = ours.setInnerAudioOption({mixWithOther: true, success: ({errMsg}) => errMsg.length});
export const promise: Promise<{errMsg: string}> = ours.setInnerAudioOption({mixWithOther: true});
