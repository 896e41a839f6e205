# The same over HTTPS. The server needs a key and a certificate, in the folder cert beside
# this script, which is /flash/cert for it:
#
#   mkdir -p cert
#   openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=localhost \
#       -keyout cert/prvtkey.pem -out cert/cacert.pem
#   roost run https.py
#
# and, with the port that roost prints, here 8443:
#
#   curl -k https://127.0.0.1:8443/secret
#
# curl needs -k because nobody but you signed this certificate.

from network import HTTP_Server

# Port 443 is the port of HTTPS. Without both files init refuses it.
HTTP_Server.init(port=443, keyfile="/flash/cert/prvtkey.pem", certfile="/flash/cert/cacert.pem")

secret = HTTP_Server.add_resource("/secret", value="Nobody listens in.")
secret.register_request_handler(HTTP_Server.GET)
