# Needs no cloud and no provider download: terraform_data is built in.

terraform {
  required_version = ">= 1.4"
}

variable "greeting" {
  description = "Word the message starts with."
  type        = string
  default     = "Hello"
  nullable    = false

  validation {
    condition     = length(trimspace(var.greeting)) > 0
    error_message = "The greeting must not be empty."
  }
}

variable "recipient" {
  description = "Whom the message greets."
  type        = string
  default     = "world"
  nullable    = false

  validation {
    condition     = length(trimspace(var.recipient)) > 0
    error_message = "The recipient must not be empty."
  }
}

resource "terraform_data" "message" {
  input = "${var.greeting}, ${var.recipient}!"
}

output "message" {
  description = "The finished message."
  value       = terraform_data.message.output
}
