# Repeats what another module said, to show how an output becomes an input.

terraform {
  required_version = ">= 1.4"
}

variable "message" {
  description = "Text to repeat: the output message of the hello module."
  type        = string
  nullable    = false

  validation {
    condition     = length(var.message) > 0
    error_message = "The message must not be empty."
  }
}

variable "times" {
  description = "How often to repeat it."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.times >= 1 && var.times <= 10 && floor(var.times) == var.times
    error_message = "The number of repetitions must be a whole number from 1 to 10."
  }
}

resource "terraform_data" "line" {
  count = var.times
  input = var.message
}

output "echo" {
  description = "The repeated message."
  value       = join(" ", terraform_data.line[*].output)
}
