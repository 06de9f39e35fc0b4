// The AWS Encryption SDK for JavaScript as an independent client. Reads one JSON request from standard input:
//   {"operation": "decrypt" | "encrypt", "region", "endpoint", "keyId", "context", "items": [base64, ...]}
// Without a keyId it decrypts with whatever key of the account the message names and this Region has ("discovery").
// and answers with a list of {"data": base64, "context": {...}} or {"error": name} on standard output.
'use strict'

const {
  buildClient, CommitmentPolicy, KMS,
  AwsKmsMrkAwareSymmetricKeyringNode, AwsKmsMrkAwareSymmetricDiscoveryKeyringNode
} = require('@aws-crypto/client-node')

const { decrypt, encrypt } = buildClient({
  commitmentPolicy: CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT,
  maxEncryptedDataKeys: 1
})

async function answer ({ operation, region, endpoint, keyId, account, context, items }) {
  const client = new KMS({ region, endpoint, maxAttempts: 1 })
  const keyring = keyId
    ? new AwsKmsMrkAwareSymmetricKeyringNode({ client, keyId })
    : new AwsKmsMrkAwareSymmetricDiscoveryKeyringNode({
      client, discoveryFilter: { partition: 'aws', accountIDs: [account] }
    })
  const one = async (item) => {
    const bytes = Buffer.from(item, 'base64')
    try {
      if (operation === 'encrypt') {
        const { result } = await encrypt(keyring, bytes, { encryptionContext: context, frameLength: 256 })
        return { data: result.toString('base64') }
      }
      const { plaintext, messageHeader } = await decrypt(keyring, bytes)
      return { data: plaintext.toString('base64'), context: messageHeader.encryptionContext }
    } catch (error) {
      return { error: error.name }
    }
  }
  const answers = []
  for (const item of items) answers.push(await one(item))
  return answers
}

let text = ''
process.stdin.on('data', (chunk) => { text += chunk })
process.stdin.on('end', async () => process.stdout.write(JSON.stringify(await answer(JSON.parse(text)))))
