package dev.panamba.bindings;

/** A native library could not be loaded or a native call refused; the message is one sentence for a person. */
public final class NativeException extends IllegalStateException {
    private static final long serialVersionUID = 1;

    NativeException(String message) {
        super(message);
    }

    NativeException(String message, Throwable cause) {
        super(message, cause);
    }

    /** MethodHandle declares Throwable; what arrives is a refusal of ours, or a segment that its arena refuses. */
    static AssertionError unexpected(Throwable e) {
        switch (e) {
            case RuntimeException exception -> throw exception;
            case Error error -> throw error;
            default -> throw new AssertionError(e);
        }
    }
}
