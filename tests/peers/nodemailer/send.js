// Sends what run.py asks for: node send.js '{"port": ..., "host": ..., ...}' (options of
// nodemailer's transport under "transport", of the message under "messages").
'use strict';
const nodemailer = require('nodemailer');
const asked = JSON.parse(process.argv[2]);
const transport = nodemailer.createTransport(asked.transport);

(async () => {
    for (const message of asked.messages) {
        try {
            const info = await transport.sendMail(message);
            console.log('sent', info.accepted.join(','), info.response);
        } catch (fault) {
            console.log('refused', fault.responseCode, fault.command, fault.response);
        }
    }
    transport.close();
})();
