# The application: a Fargate service that keeps the asked number of tasks of the
# asked image running, and replaces them one revision by the next.

data "aws_partition" "current" {}

locals {
  container_name = "app"
  in_private     = length(var.private_subnet_ids) > 0

  # Fargate's memory range and step per CPU size, in MiB.
  fargate_memory = {
    256   = { min = 512, max = 2048, step = 512 }
    512   = { min = 1024, max = 4096, step = 1024 }
    1024  = { min = 2048, max = 8192, step = 1024 }
    2048  = { min = 4096, max = 16384, step = 1024 }
    4096  = { min = 8192, max = 30720, step = 1024 }
    8192  = { min = 16384, max = 61440, step = 4096 }
    16384 = { min = 32768, max = 122880, step = 8192 }
  }
  memory_range = local.fargate_memory[var.cpu]
  # 256 units take 512, 1024 and 2048 MiB, but not 1536.
  memory_fits = (
    var.memory >= local.memory_range.min && var.memory <= local.memory_range.max &&
    var.memory % local.memory_range.step == 0 && !(var.cpu == 256 && var.memory == 1536)
  )
}

resource "aws_ecs_cluster" "this" {
  name = var.name
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${var.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "execution" {
  name        = "${var.name}-execution"
  description = "Lets ECS pull the image of ${var.name} and write its logs."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn

  container_definitions = jsonencode([{
    name        = local.container_name
    image       = var.image_location
    essential   = true
    environment = [for name, value in var.environment_variables : { name = name, value = value }]

    portMappings = [{
      containerPort = var.container_port
      hostPort      = var.container_port
      protocol      = "tcp"
    }]

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.this.name
        "awslogs-region"        = var.region
        "awslogs-stream-prefix" = local.container_name
      }
    }
  }])

  lifecycle {
    # The old revision stays valid until the service has left it.
    create_before_destroy = true

    precondition {
      condition     = local.memory_fits
      error_message = "Fargate has no task with ${var.cpu} CPU units and ${var.memory} MiB: with ${var.cpu} units the memory must be ${var.cpu == 256 ? "512, 1024 or 2048" : "from ${local.memory_range.min} to ${local.memory_range.max} in steps of ${local.memory_range.step}"} MiB."
    }
  }
}

resource "aws_ecs_service" "this" {
  name            = var.name
  cluster         = aws_ecs_cluster.this.arn
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.desired_count
  launch_type     = "FARGATE"

  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = var.health_check_grace_seconds

  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"
  wait_for_steady_state   = true

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = local.in_private ? var.private_subnet_ids : var.public_subnet_ids
    security_groups  = [aws_security_group.task.id]
    assign_public_ip = !local.in_private
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = local.container_name
    container_port   = var.container_port
  }

  # Everything a task needs from its first second on, and until its last.
  depends_on = [
    aws_lb_listener.http,
    aws_iam_role_policy_attachment.execution,
    aws_security_group_rule.task_from_load_balancer,
    aws_security_group_rule.task_egress,
    aws_security_group_rule.load_balancer_to_task,
  ]

  lifecycle {
    # When a new revision does not start, ECS goes back to the last one that
    # worked and the service is stable again. That is not what was asked for.
    postcondition {
      condition     = self.task_definition == aws_ecs_task_definition.this.arn
      error_message = "The new revision did not start: ECS rolled the service back to ${self.task_definition}, which still runs. The service's events and its stopped tasks name the cause; a wrong image, a container that exits, or a port that does not answer the health check are the usual ones."
    }

    postcondition {
      condition     = self.desired_count == var.desired_count
      error_message = "The service was asked to run ${var.desired_count} tasks, but its desired count is ${self.desired_count}."
    }
  }
}
