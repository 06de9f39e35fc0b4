"""Client-side encryption under per-tenant AWS KMS multi-Region keys. Pure: no ORM, no HTTP, no queue.

Read in this order; it is about an hour:

    errors, conf, arn        what can go wrong, what must be told, which keys are related
    context, part            what a message is for, and how its plaintext is bound to a record
    message, foreign         the bytes: AWS Encryption SDK format, ours and what others write
    keyring                  the two KMS calls of the data plane
    cache, materials         how few of them are made, and what may never share a cache line
    blind_index              equality search
    envelope                 the door that the rest of the project uses
    kms/                     clients, Region order, error translation, and the control plane

Promises: whatever is wrong with a message is one `DecryptionFailed` with one text; KMS is asked only about messages
whose header is plausible for the caller's tenant; a plaintext data key shows in no repr, pickle, log or exception.
Not promised: wiping memory, which Python cannot do, and hiding the length of a value.
"""
