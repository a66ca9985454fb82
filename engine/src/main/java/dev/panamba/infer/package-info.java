/**
 * Inference, and the face of the engine for programs that embed it. A {@link dev.panamba.infer.LanguageModel} is shared by
 * threads; a {@link dev.panamba.infer.Session} is one conversation, used by one thread at a time, whose state is a value: saved,
 * restored, forked. Sessions are slots of a {@link dev.panamba.infer.SessionPool}, which owns the memory of all states.
 */
package dev.panamba.infer;
